"""Where a standardised knee lies on its radiograph: level, in the middle, of one size, and all of them like right ones.

- A knee from the front: the plateau line, from landmark 1 to landmark 7, runs along the rows, the tibia lies below it,
  and its middle is the middle of the picture. Mirrored, the medial side is on the right, as on right knees.
- A lateral knee: LM1, the tangent of the posterior femoral cortex, runs along the columns with the shaft above, and the
  Schoettle point is the middle. Mirrored, the front of the knee is on the right.

A picture that is not mirrored is only turned, never flipped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from kneebundle.errors import KneeBundleError
from kneebundle.landmarks import KNEE_PA
from kneebundle.radiograph import Radiograph

__all__ = ["KneePlacement", "StandardGrid", "place_knee", "place_lateral"]

_PLATEAU = (1, 7)


@dataclass(frozen=True)
class StandardGrid:
    """The picture of a standardised knee.

    Attributes:
        spacing_mm: size of its pixels.
        size_mm: its (height, width).
        mirror: flip knees so that all look like right ones.

    Raises:
        KneeBundleError: for a picture of less than 32 or more than 8192 pixels along a side.

    Example:
        >>> StandardGrid(0.2, (140.0, 140.0)).shape
        (700, 700)
    """

    spacing_mm: float = 0.2
    size_mm: tuple[float, float] = (140.0, 140.0)
    mirror: bool = True

    def __post_init__(self) -> None:
        if not all(32 <= pixels <= 8192 for pixels in self.shape):
            size = " x ".join(map(str, self.shape))
            raise KneeBundleError(
                f"{self.size_mm[0]:g} x {self.size_mm[1]:g} mm at {self.spacing_mm:g} mm a pixel are {size} pixels; 32 "
                "to 8192 a side are needed",
                field="grid",
            )

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return round(self.size_mm[0] / self.spacing_mm), round(self.size_mm[1] / self.spacing_mm)


@dataclass(frozen=True)
class KneePlacement:
    """The way from a standardised picture to the radiograph.

    Attributes:
        grid: of the picture.
        to_displayed: (3, 3), takes a pixel (x, y, 1) of the picture to pixels of the radiograph as displayed.
        to_stored: the same to pixels of the file as it is stored.
        turned_deg: by how much the knee was turned clockwise to be level.
        mirrored: whether it was flipped.
        orientation: where its rows and its columns lead, as DICOM's PatientOrientation says it.
    """

    grid: StandardGrid
    to_displayed: np.ndarray
    to_stored: np.ndarray
    turned_deg: float
    mirrored: bool
    orientation: tuple[str, str]

    def to_picture(self, points_px: Any) -> np.ndarray:
        """Convert points (N, 2) from pixels of the stored file to pixels of the picture."""
        back = np.linalg.inv(self.to_stored)
        return np.asarray(points_px, dtype=np.float64) @ back[:2, :2].T + back[:2, 2]


def place_knee(knee: Mapping[str, Any], radiograph: Radiograph, grid: StandardGrid) -> KneePlacement:
    """Place a knee from the front.

    Args:
        knee: with its 16 landmarks, of a document of :func:`kneebundle.reports.json_report.to_document`.
        radiograph: that it is on.
        grid: of the picture.
    """
    points = _to_mm([[point["x_px"], point["y_px"]] for point in knee["landmarks"]], radiograph)
    first, last = points[_PLATEAU[0]], points[_PLATEAU[1]]
    tibia, femur = (points[list(ids)].mean(axis=0) for _, ids in KNEE_PA.outlines)
    return _place(radiograph, grid, (first + last) / 2, last - first, tibia - femur, None)


def place_lateral(planning: Mapping[str, Any], radiograph: Radiograph, grid: StandardGrid) -> KneePlacement:
    """Place a lateral knee whose Schoettle point was found.

    Args:
        planning: of a document.
        radiograph: that it is on.
        grid: of the picture.
    """
    center = _to_mm([[planning["schoettle_point"]["x_px"], planning["schoettle_point"]["y_px"]]], radiograph)[0]
    distal, anterior = (_direction_mm(planning["lines"][name], radiograph) for name in ("LM1", "LM2"))
    across = anterior - (anterior @ distal) / (distal @ distal) * distal
    return _place(radiograph, grid, center, across, distal, ("A", "P"))


def _place(
    radiograph: Radiograph,
    grid: StandardGrid,
    center: np.ndarray,
    right: np.ndarray,
    down: np.ndarray,
    names: tuple[str, str] | None,
) -> KneePlacement:
    """The placement by what is to lie in the middle, to the right and below, in mm of the displayed radiograph.

    ``names``: of the directions ``right`` and its opposite; None: the patient's left is on the right of the radiograph.
    """
    right = right / np.linalg.norm(right)
    across = np.array([-right[1], right[0]])
    down = across if across @ down >= 0 else -across
    mirrored = bool(right[0] * down[1] - right[1] * down[0] < 0)
    kept = grid.mirror or not mirrored
    if not kept:
        right, mirrored = -right, False
    leads = ("R" if mirrored else "L") if names is None else names[0 if kept else 1]
    rows, columns = grid.shape
    turn = np.stack([right, down], axis=1) * grid.spacing_mm
    shift = center - turn @ (np.array([columns - 1, rows - 1]) / 2)
    to_displayed = np.eye(3)
    to_displayed[:2] = np.column_stack([turn, shift]) / np.array(radiograph.spacing_mm[::-1])[:, None]
    # down is the same whether the picture is mirrored or not
    turned = float(np.degrees(np.arctan2(down[0], down[1])))
    return KneePlacement(grid, to_displayed, _to_stored(radiograph) @ to_displayed, turned, mirrored, (leads, "F"))


def _to_stored(radiograph: Radiograph) -> np.ndarray:
    """(3, 3), takes pixels as displayed to pixels as stored."""
    origin, x, y = radiograph.to_stored_px(np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]))
    return np.vstack([np.column_stack([x - origin, y - origin, origin]), [0.0, 0.0, 1.0]])


def _to_mm(points_px: Any, radiograph: Radiograph) -> np.ndarray:
    """Points (N, 2) of the stored file in mm of the displayed radiograph."""
    points = np.asarray(points_px, dtype=np.float64)
    shown = radiograph.orientation.points_to_displayed(points, radiograph.rows, radiograph.columns)
    return radiograph.px_to_mm(shown)


def _direction_mm(line: Mapping[str, Any], radiograph: Radiograph) -> np.ndarray:
    start, end = _to_mm([line["point_px"], np.add(line["point_px"], line["direction"])], radiograph)
    return end - start
