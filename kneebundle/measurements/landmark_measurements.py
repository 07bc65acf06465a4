"""Widths, angles and heights that are taken from the 16 landmarks of a PA knee (docs/measurements.md).

All of them hold for either side and for any orientation of the radiograph, because they are taken along and across the
tibial plateau line and not along the image's axes; the tilt of the plateau alone is against the image's rows.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from kneebundle.landmarks import Landmarks
from kneebundle.measurements.knee_frame import KneeFrame
from kneebundle.measurements.measurement import Measurement

__all__ = ["RADIUS_DEVIATIONS", "measure_landmarks"]

RADIUS_DEVIATIONS = 2.146
"""Radius within which 90 of 100 points lie whose x and y scatter with a standard deviation of 1."""
_STEP_MM = 0.01
_UNITS = {
    "tibial_plateau_width": "mm",
    "femoral_width": "mm",
    "tibiofemoral_shift": "mm",
    "joint_line_convergence_angle": "deg",
    "tibial_plateau_tilt": "deg",
    "tibial_spine_height_medial": "mm",
    "tibial_spine_height_lateral": "mm",
}


def measure_landmarks(landmarks: Landmarks, spacing_mm: tuple[float, float]) -> dict[str, Measurement]:
    """Measure what follows from the landmarks alone.

    The uncertainty is the radius of each landmark carried through the formula (first order, landmarks independent of
    each other); None where the landmarks have no radius.

    Args:
        landmarks: the 16 points of ``KNEE_PA`` in mm.
        spacing_mm: of the radiograph, (row, column), for the lines in its pixels.
    """
    points = landmarks.points
    values = {name: float(value) for name, value in _compute(points).items()}
    deviations = _propagate(points, landmarks.radius_mm)
    lines = _draw(points, KneeFrame.place(landmarks), values)
    scale = 1.0 / np.array(spacing_mm[::-1])
    return {
        name: Measurement(
            name, values[name], unit, deviations.get(name), tuple(np.array(line) * scale for line in lines[name])
        )
        for name, unit in _UNITS.items()
    }


def _compute(p: np.ndarray) -> dict[str, np.ndarray]:
    """Values of knees (..., 16, 2) in mm."""
    along = p[..., 7, :] - p[..., 1, :]
    length = np.linalg.norm(along, axis=-1, keepdims=True)
    along = np.divide(along, length, out=np.broadcast_to([1.0, 0.0], along.shape).copy(), where=length > 0)
    across = np.stack([along[..., 1], -along[..., 0]], axis=-1)
    upward = _dot(across, p[..., 9:, :].mean(axis=-2) - p[..., :9, :].mean(axis=-2))
    across = np.where(upward[..., None] >= 0, across, -across)
    condyles = p[..., 14, :] - p[..., 10, :]
    shift = (p[..., 0, :] + p[..., 8, :] - p[..., 9, :] - p[..., 15, :]) / 2
    plateau = p[..., 7, :] - p[..., 1, :]
    return {
        "tibial_plateau_width": np.linalg.norm(p[..., 8, :] - p[..., 0, :], axis=-1),
        "femoral_width": np.linalg.norm(p[..., 15, :] - p[..., 9, :], axis=-1),
        "tibiofemoral_shift": _dot(shift, along),
        "joint_line_convergence_angle": np.degrees(np.arctan2(-_dot(condyles, across), _dot(condyles, along))),
        "tibial_plateau_tilt": np.degrees(np.arctan2(-plateau[..., 1], np.abs(plateau[..., 0]))),
        "tibial_spine_height_medial": _dot(p[..., 5, :] - p[..., 1, :], across),
        "tibial_spine_height_lateral": _dot(p[..., 3, :] - p[..., 1, :], across),
    }


def _propagate(points: np.ndarray, radius_mm: np.ndarray | None) -> dict[str, float]:
    """Standard deviation of each value."""
    if radius_mm is None or not np.isfinite(radius_mm).all():
        return {}
    moves = np.eye(points.size).reshape(points.size, *points.shape) * _STEP_MM
    ahead, behind = _compute(points + moves), _compute(points - moves)
    deviation = np.repeat(np.asarray(radius_mm, dtype=np.float64) / RADIUS_DEVIATIONS, 2)
    return {name: float(np.linalg.norm((ahead[name] - behind[name]) / (2 * _STEP_MM) * deviation)) for name in ahead}


def _draw(p: np.ndarray, frame: KneeFrame, values: Mapping[str, float]) -> dict[str, list[np.ndarray]]:
    """The lines of each measurement in mm."""
    plateau = np.stack([p[1], p[7]])
    tibia, femur = np.stack([p[0], p[8]]), np.stack([p[9], p[15]])
    middle = femur.mean(axis=0)
    level = p[1] + [p[7, 0] - p[1, 0], 0.0]
    lines = {
        "tibial_plateau_width": [tibia],
        "femoral_width": [femur],
        "tibiofemoral_shift": [
            np.stack([middle, middle - values["tibiofemoral_shift"] * frame.lateral]),
            np.stack([tibia.mean(axis=0), middle - values["tibiofemoral_shift"] * frame.lateral]),
            tibia,
            femur,
        ],
        "joint_line_convergence_angle": [np.stack([p[10], p[14]]), plateau],
        "tibial_plateau_tilt": [plateau, np.stack([p[1], level])],
    }
    for name, tip in (("tibial_spine_height_medial", p[5]), ("tibial_spine_height_lateral", p[3])):
        lines[name] = [np.stack([tip - values[name] * frame.up, tip]), plateau]
    return lines


def _dot(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return (first * second).sum(axis=-1)
