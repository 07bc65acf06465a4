"""Points and lines for reports: in pixels of the file as it is stored and in mm, and cut off at a border."""

from __future__ import annotations

from typing import Any

import numpy as np

from kneebundle.landmarks import Landmarks
from kneebundle.radiograph import Radiograph

__all__ = ["line_across", "place", "point_list", "rounded"]

_DECIMALS = 3


def rounded(value: float) -> float:
    """Three decimals: thousandths of a pixel or mm."""
    return round(float(value), _DECIMALS)


def place(point_px: np.ndarray, radiograph: Radiograph) -> dict[str, float]:
    """``x_px``, ``y_px``, ``x_mm`` and ``y_mm`` in the stored image of a point (x, y) in pixels as displayed."""
    x, y = radiograph.to_stored_px(np.asarray(point_px, dtype=np.float64)[None])[0]
    row_mm, column_mm = radiograph.turn.pair(radiograph.spacing_mm)
    return {"x_px": rounded(x), "y_px": rounded(y), "x_mm": rounded(x * column_mm), "y_mm": rounded(y * row_mm)}


def point_list(landmarks: Landmarks, radiograph: Radiograph) -> list[dict[str, Any]]:
    """A dictionary a landmark: ``id``, ``name``, its place and its ``confidence``; those that were not found are left out."""
    points = landmarks.to_px(radiograph.spacing_mm).points
    return [
        {
            "id": index,
            "name": name,
            **place(points[index], radiograph),
            "confidence": None if landmarks.confidence is None else rounded(landmarks.confidence[index]),
        }
        for index, name in enumerate(landmarks.landmark_set.names)
        if np.isfinite(points[index]).all()
    ]


def line_across(point: np.ndarray, direction: np.ndarray, size: np.ndarray) -> np.ndarray | None:
    """The ends (2, 2) of a line where it meets the border of a rectangle from (0, 0) to ``size``, along its direction; None
    where it passes by."""
    with np.errstate(divide="ignore", invalid="ignore"):
        steps = np.stack([-point / direction, (size - point) / direction])
    steps = np.where(direction == 0, [[-np.inf], [np.inf]], steps)
    first, last = steps.min(axis=0).max(), steps.max(axis=0).min()
    if first >= last:
        return None
    return np.clip(point + np.outer([first, last], direction), 0.0, size)
