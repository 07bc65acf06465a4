"""How far 16 landmarks are from the shape of a knee, whatever their size and turn."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np

from kneebundle.measurements.knee_shape import GRADES, load_shape_model

__all__ = ["Plausibility", "measure_plausibility"]

_DRAWN = 1500
_MODES = 10
_NOISE_MM = 0.7
"""What a network's landmarks scatter about the shape, added to each mode's spread."""


class Plausibility(NamedTuple):
    """How unlike a knee some landmarks are.

    Attributes:
        distance: root mean square over the modes of the shape, in standard deviations; about 1 for knees.
        residual_mm: root mean square distance of the points from the nearest shape of the model, at the size of the
            mean knee.
        scale: size over that of the mean knee.
        turn_deg: how far the plateau leans.
    """

    distance: float
    residual_mm: float
    scale: float
    turn_deg: float


@cache
def _aligned_model() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean (16, 2) mm, modes (K, 32) and their standard deviations in mm, of shapes aligned by a similarity."""
    model = load_shape_model()
    rng = np.random.default_rng(0)
    shapes = []
    for number in range(_DRAWN):
        grade = number % GRADES
        scores = model.grade_mean[grade] + model.grade_scatter[grade] @ np.clip(
            rng.standard_normal(len(model.modes)), -2.5, 2.5
        )
        shapes.append(model.points(scores))
    aligned = np.stack([_align(shape, model.mean)[0] for shape in shapes])
    mean = aligned.mean(0)
    _, spread, modes = np.linalg.svd((aligned - mean).reshape(_DRAWN, mean.size), full_matrices=False)
    return mean, modes[:_MODES], spread[:_MODES] / np.sqrt(_DRAWN - 1)


def _align(points: np.ndarray, mean: np.ndarray) -> tuple[np.ndarray, float, float]:
    """Points turned and scaled onto a mean, and centred; the scale they had, and their turn in degrees."""
    centred = points - points.mean(0)
    a = float((centred * mean).sum())
    b = float((centred[:, 0] * mean[:, 1] - centred[:, 1] * mean[:, 0]).sum())
    size = max(float((centred**2).sum()), 1e-9)
    turn = np.array([[a, -b], [b, a]]) / size
    scale = float(np.hypot(a, b)) / size
    return centred @ turn.T, 1 / max(scale, 1e-9), float(np.degrees(np.arctan2(-b, a)))


def measure_plausibility(points_mm: np.ndarray, side: str) -> Plausibility:
    """Compare landmarks with the shape model.

    Args:
        points_mm: (16, 2) in mm, y downwards.
        side: ``"R"`` or ``"L"``; left knees are mirrored first.

    Example:
        >>> from kneebundle.measurements import load_shape_model, measure_plausibility
        >>> measure_plausibility(load_shape_model().mean, "R").distance < 0.5
        True
    """
    points = np.array(points_mm, dtype=np.float64)
    if side == "L":
        points[:, 0] = -points[:, 0]
    mean, modes, spread = _aligned_model()
    aligned, scale, turn = _align(points, mean)
    scores = modes @ (aligned - mean).ravel()
    rest = (aligned - mean).ravel() - scores @ modes
    distance = float(np.sqrt(np.mean((scores / np.hypot(spread, _NOISE_MM)) ** 2)))
    return Plausibility(distance, float(np.sqrt((rest**2).sum() / len(points))), scale, turn)
