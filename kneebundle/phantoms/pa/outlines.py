"""Bone outlines of a PA knee: smooth curves through the landmarks, mm, right knee, landmark 4 at the origin."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.interpolate import Akima1DInterpolator

__all__ = [
    "EDGE_OFFSET_MM",
    "Outline",
    "draw_ellipse_outline",
    "draw_femur_outline",
    "draw_fibula_outline",
    "draw_tibia_outline",
]

EDGE_OFFSET_MM = np.array(
    [
        [-0.6, -0.8], [0.0, -0.6], [-1.0, -0.5], [-0.8, 0.3], [-0.5, -0.2], [0.0, 0.3], [0.9, -1.0], [-0.5, -1.0],
        [0.0, -0.6], [1.2, 0.6], [0.6, -0.75], [-0.3, -0.95], [0.0, -0.95], [0.6, -0.5], [-0.7, -0.6], [-2.0, 0.75],
    ]
)  # fmt: skip
"""(16, 2) mm from each annotated landmark to the bone edge that is seen there, right knee, y down.

The annotations do not lie on the steepest grey slope: the phantom keeps the offsets of the OAI crops of grades 0 to 2,
so that it can be mixed with real radiographs. They are set so that the steepest slopes of the mean crop and of the mean
phantom lie alike around the landmarks, and so that a network that learnt from real knees finds those of the phantom. At
the tips of the spines (3, 5) it is the tip of the bone.
"""

# Outlines of an average right knee beyond its landmarks, mm from the middle between the two edge landmarks of the bone
# (x medial, y down), with the thickness of the cortex there. Read off the OAI crops; beyond them, plain shafts.
_FEMUR_LATERAL = np.array(
    [[-41.0, -4.5], [-42.3, -10.5], [-40.6, -18.0], [-42.8, -27.0], [-40.5, -36.0], [-34.0, -46.5], [-27.0, -58.0],
     [-22.0, -71.0], [-19.2, -86.0], [-17.8, -105.0], [-17.0, -250.0]]
)  # fmt: skip
_FEMUR_MEDIAL = np.array(
    [[42.5, -4.0], [45.5, -12.0], [46.3, -20.0], [47.2, -28.0], [44.2, -36.5], [36.5, -46.0], [28.8, -57.0],
     [22.8, -70.0], [19.3, -86.0], [17.4, -105.0], [16.6, -250.0]]
)  # fmt: skip
_TIBIA_LATERAL = np.array(
    [[-41.3, 2.4], [-41.2, 8.5], [-39.0, 17.0], [-34.0, 26.0], [-27.5, 36.5], [-21.5, 48.0], [-17.0, 63.0],
     [-14.6, 82.0], [-13.6, 105.0], [-13.0, 250.0]]
)  # fmt: skip
_TIBIA_MEDIAL = np.array(
    [[41.0, 2.4], [40.8, 8.0], [38.8, 16.0], [35.2, 25.0], [29.8, 35.5], [24.0, 47.0], [19.3, 62.0], [16.6, 82.0],
     [15.4, 105.0], [15.0, 250.0]]
)  # fmt: skip
_FEMUR_MIDDLE, _FEMUR_HALF_WIDTH = np.array([0.6, 1.75]), 38.3
_TIBIA_MIDDLE, _TIBIA_HALF_WIDTH = np.array([-0.7, 7.95]), 39.5
_STEP_MM = 0.1
_REACH_MM = 250.0


@dataclass(frozen=True)
class Outline:
    """A closed outline, densely sampled.

    Attributes:
        points: (M, 2) mm, running from the lateral to the medial side; closed by a straight line from last to first.
        normals: (M, 2) unit vectors into the bone.
        position: (M,) the place along the control points: 3.5 is midway between control points 3 and 4.
    """

    points: np.ndarray
    normals: np.ndarray
    position: np.ndarray


def _smooth_curve(control: np.ndarray, inside: np.ndarray, exact: tuple[int, int] | None = None) -> Outline:
    """Akima curve through ``control`` (N, 2), parameter by the square root of the chord, sampled every 0.1 mm.

    ``inside`` is a point on the inner side of the curve's middle sample. With ``exact``, the curve passes through the
    control points of these numbers (first, last) and is rounded over a few mm beyond them.
    """
    knots = np.concatenate([[0.0], np.cumsum(np.sqrt(np.linalg.norm(np.diff(control, axis=0), axis=1)))])
    curve = Akima1DInterpolator(knots, control)
    coarse = np.linspace(0, knots[-1], 40 * len(control))
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(curve(coarse), axis=0), axis=1))])
    t = np.interp(np.arange(0, length[-1], _STEP_MM), length, coarse)
    position = np.interp(t, knots, np.arange(len(control)))
    points = curve(t)
    if exact is not None:
        beyond = np.clip(np.maximum(exact[0] - 0.5 - position, position - exact[1] - 0.5), 0, 1)[:, None]
        points += beyond * (ndimage.gaussian_filter1d(points, 2.5 / _STEP_MM, axis=0, mode="nearest") - points)
    tangents = np.gradient(points, axis=0)
    normals = np.stack([-tangents[:, 1], tangents[:, 0]], 1)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-12
    middle = len(points) // 2
    if np.dot(normals[middle], inside - points[middle]) < 0:
        normals = -normals
    return Outline(points, normals, position)


def _around_edges(
    template: np.ndarray, middle: np.ndarray, axis: np.ndarray, scale: float, lean: float, rng: np.random.Generator
) -> np.ndarray:
    """Set template points onto a knee: scaled, turned to its ``axis``, the shaft leaning, each a little moved."""
    points = template * scale
    moves = ndimage.gaussian_filter1d(rng.normal(0, [2.2, 1.2], (len(points), 2)), 1.0, axis=0)
    points = points + np.clip(np.abs(points[:, 1:]) / 30.0, 0.2, 1.0) * moves
    beyond = np.maximum(np.abs(template[:, 1]) - 15.0, 0.0)
    points[:, 0] += lean * beyond
    turn = np.stack([axis, [-axis[1], axis[0]]])
    return middle + points @ turn


def _frame(left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Middle, unit axis and half the distance of two edges; the axis turns half-way, as the shafts stay upright."""
    half = (right - left) / 2
    angle = 0.5 * np.arctan2(half[1], half[0])
    return (left + right) / 2, np.array([np.cos(angle), np.sin(angle)]), float(np.linalg.norm(half))


def _lip(edge: np.ndarray, size: float, first: tuple[float, float], second: tuple[float, float]) -> np.ndarray:
    """Two control points, ``first`` and ``second`` mm from the edge, pushed out by an osteophyte of ``size`` mm."""
    out, down = np.sign(first)
    return edge + np.array([first, second]) + size * np.array([[out, 0.2 * down], [0.35 * out, down]])


def draw_femur_outline(landmarks: np.ndarray, rng: np.random.Generator, osteophytes: tuple[float, float]) -> Outline:
    """Distal femur through landmarks 9..15 (16, 2) mm, with lips of the given sizes in mm at its two edges.

    The control points are those of the lateral side from top to bottom, the lip, landmarks 9..15 and the medial side.
    """
    edges = (landmarks + EDGE_OFFSET_MM)[9:]
    middle, axis, half = _frame(edges[0], edges[-1])
    scale, lean = half / _FEMUR_HALF_WIDTH, rng.normal(0, 0.05)
    lateral = _around_edges(_FEMUR_LATERAL, middle, axis, scale, lean, rng)
    medial = _around_edges(_FEMUR_MEDIAL, middle, axis, scale, lean, rng)
    lips = [
        _lip(edges[0], osteophytes[0], (-2.2, -1.3), (-3.6, -4.2)),
        _lip(edges[-1], osteophytes[1], (2.6, -1.0), (5.0, -4.2)),
    ]
    control = np.concatenate([lateral[:0:-1], lips[0][::-1], edges, lips[1], medial[1:]])
    return _smooth_curve(control, middle + [0.0, -40.0], (12, 18))


def draw_tibia_outline(landmarks: np.ndarray, rng: np.random.Generator, osteophytes: tuple[float, float]) -> Outline:
    """Proximal tibia through landmarks 0..8 (16, 2) mm, with lips of the given sizes in mm at its two edges."""
    edges = (landmarks + EDGE_OFFSET_MM)[:9]
    middle, axis, half = _frame(edges[0], edges[-1])
    scale, lean = half / _TIBIA_HALF_WIDTH, rng.normal(0, 0.05)
    lateral = _around_edges(_TIBIA_LATERAL, middle, axis, scale, lean, rng)
    medial = _around_edges(_TIBIA_MEDIAL, middle, axis, scale, lean, rng)
    lips = [
        _lip(edges[0], osteophytes[0], (-0.9, 0.6), (-1.2, 2.4)),
        _lip(edges[-1], osteophytes[1], (0.9, 0.6), (1.2, 2.4)),
    ]
    control = np.concatenate([lateral[:0:-1], lips[0][::-1], edges, lips[1], medial[1:]])
    return _smooth_curve(control, middle + [0.0, 40.0], (11, 19))


def draw_fibula_outline(landmarks: np.ndarray, rng: np.random.Generator) -> Outline:
    """Fibular head and shaft, lateral of and below the lateral plateau's edge."""
    top = landmarks[0] + rng.normal([-1.5, 17.0], [3.0, 3.5])
    width = rng.normal(10.5, 0.8)
    half = np.array(
        [[0.45, 0.8], [0.85, 5.0], [1.0, 11.0], [0.85, 19.0], [0.6, 30.0], [0.55, 45.0], [0.55, 70.0], [0.55, 250.0]]
    )
    shift = rng.normal(0.02, 0.05) * half[:, 1] + np.minimum(half[:, 1], 30) * 0.08
    left = top + np.stack([-half[:, 0] * width + shift, half[:, 1]], 1)
    right = top + np.stack([half[:, 0] * width + shift, half[:, 1] + 1.5], 1)
    return _smooth_curve(np.concatenate([left[::-1], top[None], right]), top + [0.0, 20.0])


def draw_ellipse_outline(center: np.ndarray, half_axes: tuple[float, float], power: float, turn: float) -> Outline:
    """A rounded patch (superellipse of the given power) turned by ``turn`` radians, such as the patella's shadow."""
    angle = np.linspace(-np.pi / 2, 1.5 * np.pi, 49)
    c, s = np.cos(angle), np.sin(angle)
    shape = np.stack([np.sign(c) * np.abs(c) ** (2 / power), np.sign(s) * np.abs(s) ** (2 / power)], 1) * half_axes
    cos, sin = np.cos(turn), np.sin(turn)
    return _smooth_curve(shape @ np.array([[cos, sin], [-sin, cos]]) + center, np.asarray(center, dtype=float))
