"""Drawn PA radiographs of one knee with exact landmarks."""

from __future__ import annotations

import numpy as np

from kneebundle.errors import KneeBundleError
from kneebundle.landmarks import Landmarks
from kneebundle.measurements.knee_shape import GRADES, load_shape_model
from kneebundle.phantoms.collection import Phantoms
from kneebundle.phantoms.pa.bones import compute_bone_attenuation, draw_bones
from kneebundle.phantoms.pa.exposure import MAXIMUM, develop, draw_soft_tissue, draw_texture
from kneebundle.phantoms.pa.fields import Grid
from kneebundle.radiograph import Radiograph, Side
from kneebundle.transforms.grid_size import count_pixels

__all__ = ["PhantomKnees", "draw_knee", "draw_knee_and_bones"]

_SMALLEST_MM = 80.0
MOST_PIXELS = 16_000_000
"""Of a drawn knee; it takes 2.5 GB to draw so many."""
_JOINT_SHIFT_MM = 3.0


def draw_knee(
    rng: np.random.Generator,
    *,
    side: Side = "R",
    kl: int | None = None,
    size_mm: float = 140.0,
    spacing_mm: float = 0.3,
    inverted: bool = False,
) -> tuple[Radiograph, Landmarks]:
    """Draw a PA fixed-flexion radiograph of one knee.

    The landmarks come from the shape model of KNEEL's annotations; the bones are drawn around them, with the bone edge
    as far from each landmark as it is on real radiographs (:data:`kneebundle.phantoms.pa.EDGE_OFFSET_MM`).

    Args:
        rng: the only source of randomness: the same state gives the same pixels.
        side: ``"R"`` or ``"L"``; a left knee is a right knee mirrored.
        kl: Kellgren-Lawrence grade 0 to 4; None draws one.
        size_mm: edge of the square image, at least 80 mm.
        spacing_mm: size of a pixel.
        inverted: grey values as on an inverted image: bone dark.

    Returns:
        The radiograph, grey values whole numbers from 0 to 4095, and the 16 landmarks in its pixels.

    Raises:
        KneeBundleError: on a side, grade, size or spacing that cannot be drawn.
    """
    return draw_knee_and_bones(rng, side=side, kl=kl, size_mm=size_mm, spacing_mm=spacing_mm, inverted=inverted)[:2]


def draw_knee_and_bones(
    rng: np.random.Generator,
    *,
    side: Side = "R",
    kl: int | None = None,
    size_mm: float = 140.0,
    spacing_mm: float = 0.3,
    inverted: bool = False,
) -> tuple[Radiograph, Landmarks, dict[str, np.ndarray]]:
    """Draw the same knee as :func:`draw_knee`, and return its bones' outlines too.

    Args:
        rng, side, kl, size_mm, spacing_mm, inverted: as in :func:`draw_knee`.

    Returns:
        The radiograph, the landmarks, and the outlines of ``femur`` and ``tibia``, (M, 2) in pixels, from the lateral
        to the medial side.

    Raises:
        KneeBundleError: as in :func:`draw_knee`.
    """
    _check(side, size_mm, spacing_mm)
    grade = int(rng.integers(GRADES)) if kl is None else kl
    points = load_shape_model().draw(rng, grade)
    grid = _place_grid(rng, size_mm, spacing_mm)
    bones = draw_bones(points, grade, rng)
    attenuation = draw_soft_tissue(grid, rng) + rng.uniform(0.7, 1.1) * compute_bone_attenuation(
        bones, grid, rng, draw_texture(grid, rng)
    )
    pixels = develop(attenuation, grid, rng)
    pixels = MAXIMUM - pixels if inverted else pixels
    places = {"landmarks": points, "femur": bones.femur.points, "tibia": bones.tibia.points}
    places = {name: (place - grid.origin) / grid.step_mm for name, place in places.items()}
    if side == "L":
        pixels = pixels[:, ::-1]
        for place in places.values():
            place[:, 0] = grid.size - 1 - place[:, 0]
    radiograph = Radiograph(pixels, (spacing_mm, spacing_mm), spacing_source="argument", side=side, view="pa-single")
    return radiograph, Landmarks(places.pop("landmarks")), places


def _check(side: str, size_mm: float, spacing_mm: float) -> None:
    if side not in ("R", "L"):
        raise KneeBundleError(f"the side is {side!r}; it must be 'R' or 'L'")
    if not size_mm >= _SMALLEST_MM:
        raise KneeBundleError(f"the size is {size_mm} mm; a knee needs at least {_SMALLEST_MM:.0f} mm")
    if not 0.05 <= spacing_mm <= 2.0:
        raise KneeBundleError(
            f"the pixel spacing is {spacing_mm} mm; phantoms are drawn at 0.05 to 2 mm", field="drawn_size"
        )
    count_pixels((size_mm, size_mm), (spacing_mm, spacing_mm), "the phantom", MOST_PIXELS)


def _place_grid(rng: np.random.Generator, size_mm: float, spacing_mm: float) -> Grid:
    """Place the pixels in the knee's mm: landmark 4 a little off the middle."""
    size = int(round(size_mm / spacing_mm))
    shift = np.clip(rng.normal(0, _JOINT_SHIFT_MM, 2), -2 * _JOINT_SHIFT_MM, 2 * _JOINT_SHIFT_MM) * (size_mm >= 100)
    return Grid(size, spacing_mm, shift - (size - 1) / 2 * spacing_mm)


class PhantomKnees(Phantoms[tuple[Radiograph, Landmarks, int]]):
    """A data set of drawn knees that takes no room: knee ``i`` is drawn when it is asked for, always the same.

    An item is a radiograph, the landmarks in its pixels, and the KL grade. Right and left knees alternate and the
    grades 0 to 4 take turns.

    Args:
        count: number of knees.
        seed: another seed, other knees.
        size_mm, spacing_mm: as in :func:`draw_knee`.
        inverted_every: every so many knees one is inverted; 0: none.

    Example:
        >>> from kneebundle.phantoms.pa import PhantomKnees
        >>> knees = PhantomKnees(10, seed=0, size_mm=90, spacing_mm=1.0)
        >>> radiograph, landmarks, kl = knees[3]
        >>> radiograph.pixels.shape, radiograph.side, landmarks.points.shape, kl
        ((90, 90), 'L', (16, 2), 1)
    """

    def __init__(
        self, count: int, seed: int = 0, *, size_mm: float = 140.0, spacing_mm: float = 0.3, inverted_every: int = 0
    ) -> None:
        super().__init__(count, seed)
        self.size_mm = size_mm
        self.spacing_mm = spacing_mm
        self.inverted_every = inverted_every

    def side(self, index: int) -> Side:
        """Side of a knee, without drawing it."""
        return "R" if index % 2 == 0 else "L"

    def kl(self, index: int) -> int:
        """Grade of a knee, without drawing it."""
        return (index // 2) % GRADES

    def inverted(self, index: int) -> bool:
        """Whether a knee is inverted, without drawing it."""
        return self.inverted_every > 0 and index % self.inverted_every == self.inverted_every - 1

    def draw(self, index: int, rng: np.random.Generator) -> tuple[Radiograph, Landmarks, int]:
        """Draw one knee."""
        radiograph, landmarks = draw_knee(
            rng,
            side=self.side(index),
            kl=self.kl(index),
            size_mm=self.size_mm,
            spacing_mm=self.spacing_mm,
            inverted=self.inverted(index),
        )
        return radiograph, landmarks, self.kl(index)
