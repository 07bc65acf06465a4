"""Points and lines for reports: in pixels of the file as it is stored and in mm, and clipped at a border."""

from __future__ import annotations

from typing import Any

import numpy as np

from kneebundle.landmarks import Landmarks
from kneebundle.radiograph import Radiograph

__all__ = ["clip_line", "list_points", "locate_point", "round_value"]

_DECIMALS = 3


def round_value(value: float) -> float:
    """Round to three decimals: thousandths of a pixel or mm."""
    return round(float(value), _DECIMALS)


def locate_point(point_px: np.ndarray, radiograph: Radiograph) -> dict[str, float]:
    """Convert a point (x, y) in pixels as displayed to x and y, in px and mm, of the image as stored."""
    x, y = radiograph.to_stored_px(np.asarray(point_px, dtype=np.float64)[None])[0]
    row_mm, column_mm = radiograph.orientation.pair(radiograph.spacing_mm)
    return {
        "x_px": round_value(x),
        "y_px": round_value(y),
        "x_mm": round_value(x * column_mm),
        "y_mm": round_value(y * row_mm),
    }


def list_points(landmarks: Landmarks, radiograph: Radiograph) -> list[dict[str, Any]]:
    """List the landmarks that were found, each with id, name, the keys of :func:`locate_point` and confidence.

    Where it is known, ``radius_mm`` follows: the true point lies within it in 90 of 100 cases.
    """
    points = landmarks.to_px(radiograph.spacing_mm).points
    return [
        {
            "id": index,
            "name": name,
            **locate_point(points[index], radiograph),
            "confidence": None if landmarks.confidence is None else round_value(landmarks.confidence[index]),
            **({} if landmarks.radius_mm is None else {"radius_mm": round_value(landmarks.radius_mm[index])}),
        }
        for index, name in enumerate(landmarks.landmark_set.names)
        if np.isfinite(points[index]).all()
    ]


def clip_line(point: np.ndarray, direction: np.ndarray, size: np.ndarray) -> np.ndarray | None:
    """Clip a line at the border of a rectangle.

    Args:
        point: (2,) a point of the line.
        direction: (2,) of the line.
        size: (2,) of the rectangle, which begins at (0, 0).

    Returns:
        (2, 2) its two ends in the order of ``direction``; None where the line passes by.

    Example:
        >>> import numpy as np
        >>> clip_line(np.array([2.0, 1.0]), np.array([1.0, 0.0]), np.array([4.0, 3.0])).tolist()
        [[0.0, 1.0], [4.0, 1.0]]
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        steps = np.stack([-point / direction, (size - point) / direction])
    steps = np.where(direction == 0, [[-np.inf], [np.inf]], steps)
    first, last = steps.min(axis=0).max(), steps.max(axis=0).min()
    beside = (direction == 0) & ((point < 0) | (point > size))  # along an axis, and never on the rectangle
    if first >= last or beside.any():
        return None
    return np.clip(point + np.outer([first, last], direction), 0.0, size)
