"""A right knee of straight lines with exact edges: its landmarks, and its image at any spacing, side and turn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.special import erf

from kneebundle.landmarks import Landmarks
from kneebundle.radiograph import Radiograph

LATERAL_GAP, MEDIAL_GAP = 6.0, 4.0
PLATEAU = 120.0
_MIDDLE = 100.0
_CENTER = np.array([_MIDDLE, PLATEAU])
_BLUR_MM = 0.25


def right_knee() -> np.ndarray:
    """(16, 2) mm: the plateau is level at y = 120, the condyles' outer points 6 and 4 mm above it; 80 mm wide."""
    tibia_x = [60, 70, 85, 95, 100, 105, 115, 130, 140]
    tibia_y = [120, 120, 120, 110, 112, 110, 120, 120, 120]
    femur_x = [62, 70, 85, 100, 115, 130, 142]
    femur_y = [110, 120 - LATERAL_GAP, 120 - LATERAL_GAP, 100, 120 - MEDIAL_GAP, 120 - MEDIAL_GAP, 110]
    return np.array([*zip(tibia_x, tibia_y, strict=True), *zip(femur_x, femur_y, strict=True)], dtype=float)


def draw_joint(
    spacing_mm: tuple[float, float] = (0.2, 0.2),
    *,
    left: bool = False,
    turn_deg: float = 0.0,
    medial_gap: float = MEDIAL_GAP,
    lateral_gap: float = LATERAL_GAP,
    narrowing: float = 0.0,
    femur_lean: float = 0.0,
    tibia_lean: float = 0.0,
    size_mm: float = 210.0,
) -> tuple[Radiograph, Landmarks]:
    """Draw the knee, grey values 0 to 1.

    Args:
        spacing_mm: of a pixel, (row, column).
        left: mirrored.
        turn_deg: of the whole knee, clockwise.
        medial_gap, lateral_gap: between the bones at x = 130 and 70 mm.
        narrowing: by how many mm per mm the medial gap falls towards the medial side.
        femur_lean, tibia_lean: of the shafts, in degrees; positive: to the lateral side going up.
        size_mm: edge of the image.
    """
    shape = tuple(round(size_mm / s) for s in spacing_mm)
    y, x = np.meshgrid(*(np.arange(n) * s for n, s in zip(shape, spacing_mm, strict=True)), indexing="ij")
    points = right_knee()
    if turn_deg:
        x, y = _turn(np.stack([x, y], axis=-1), -turn_deg).transpose(2, 0, 1)
        points = _turn(points, turn_deg)
    gap = np.where(x > _MIDDLE, medial_gap - narrowing * (x - 130.0), lateral_gap)
    femur = _edge(PLATEAU - gap - y) * _leg(x, y, femur_lean)
    tibia = _edge(y - PLATEAU) * _leg(x, y, tibia_lean)
    image = 0.2 + 0.8 * np.clip(femur + tibia, 0, 1)
    if left:
        image = image[:, ::-1]
        points = points * [-1, 1] + [(shape[1] - 1) * spacing_mm[1], 0]
    return Radiograph(image, spacing_mm), Landmarks(points, "mm").to_px(spacing_mm)


def move(landmarks: Landmarks, by_px: np.ndarray) -> Landmarks:
    """Landmarks elsewhere."""
    return replace(landmarks, points=landmarks.points + by_px)


def _edge(distance: np.ndarray) -> np.ndarray:
    return 0.5 + 0.5 * erf(distance / (np.sqrt(2) * _BLUR_MM))


def _leg(x: np.ndarray, y: np.ndarray, lean_deg: float) -> np.ndarray:
    """Wide at the joint, a shaft of 32 mm beyond it."""
    away = np.abs(y - PLATEAU)
    half = np.where(away < 40.0, 41.0, 16.0)
    middle = _MIDDLE - np.tan(np.radians(lean_deg)) * (PLATEAU - y)
    return _edge(half - np.abs(x - middle))


def _turn(points: np.ndarray, degrees: float) -> np.ndarray:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return (points - _CENTER) @ np.array([[c, s], [-s, c]]) + _CENTER
