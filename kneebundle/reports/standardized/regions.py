"""Regions of subchondral bone in a standardised knee, for measuring its texture.

Under the middle of the medial and of the lateral tibial plateau lie two boxes each: ``subchondral``, from the lowest
point of the landmark outline over its width on, and ``trabecular``, a square of the same width right below it. Boxes
along rows and columns make sense only in a picture whose plateau is level, which a standardised knee is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

__all__ = ["REGION_NAMES", "Region", "RegionSizes", "place_regions"]

_COMPARTMENTS: Mapping[str, tuple[tuple[int, ...], tuple[int, int]]] = {
    "medial": ((5, 6, 7, 8), (6, 7)),
    "lateral": ((0, 1, 2, 3), (1, 2)),
}
"""Landmarks of each plateau's outline, and the two whose middle is the plateau's."""

REGION_NAMES = tuple(f"{place}_{kind}" for place in _COMPARTMENTS for kind in ("subchondral", "trabecular"))
"""Names of the boxes, in their order."""


@dataclass(frozen=True)
class RegionSizes:
    """How large the boxes are.

    Attributes:
        width_mm: of all boxes.
        subchondral_mm: height of the box right below the plateau; the trabecular one is a square.
    """

    width_mm: float = 14.0
    subchondral_mm: float = 6.0


@dataclass(frozen=True)
class Region:
    """A box in whole pixels of a standardised picture.

    Attributes:
        name: such as ``"medial_subchondral"``.
        x, y: its first column and row.
        width, height: its size.
    """

    name: str
    x: int
    y: int
    width: int
    height: int

    def is_inside(self, shape: tuple[int, int]) -> bool:
        """Whether the whole box lies in a picture of (rows, columns)."""
        return self.x >= 0 and self.y >= 0 and self.x + self.width <= shape[1] and self.y + self.height <= shape[0]

    def cut(self, picture: np.ndarray) -> np.ndarray:
        """What a picture (rows, columns) shows there."""
        return picture[self.y : self.y + self.height, self.x : self.x + self.width]


def place_regions(points_px: np.ndarray, spacing_mm: float, sizes: RegionSizes) -> list[Region]:
    """Place the boxes of a knee from the front.

    Args:
        points_px: (16, 2) landmarks in pixels of the picture.
        spacing_mm: size of its pixels.
        sizes: of the boxes.

    Returns:
        Medial, then lateral, the upper box first; they may reach beyond the picture.
    """
    width = max(round(sizes.width_mm / spacing_mm), 1)
    height = max(round(sizes.subchondral_mm / spacing_mm), 1)
    regions = []
    for compartment, (outline, middle) in _COMPARTMENTS.items():
        x = round(float(points_px[list(middle), 0].mean()) - (width - 1) / 2)
        y = int(np.ceil(_find_lowest(points_px[list(outline)], x, x + width - 1)))
        regions.append(Region(f"{compartment}_subchondral", x, y, width, height))
        regions.append(Region(f"{compartment}_trabecular", x, y + height, width, width))
    return regions


def _find_lowest(outline: np.ndarray, left: float, right: float) -> float:
    """Largest y of an outline (N, 2) between two columns."""
    order = outline[np.argsort(outline[:, 0], kind="stable")]
    columns = np.linspace(left, right, 64)
    return float(np.interp(columns, order[:, 0], order[:, 1]).max())
