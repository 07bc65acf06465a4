"""The edges of femur and tibia that bound the joint space, to a part of a pixel.

As in the readings of Duryea and colleagues (Neumann et al., Osteoarthritis Cartilage 2009) the margins are found in the
image, near where the joint is known to be: here near the landmarks. The strip between the bones is sampled once, along
and across the plateau. Dynamic programming finds the line of steepest rise into the bone that is smooth and near the
landmarks; each of its points is then moved along its normal to the peak of the gradient (a parabola through three
samples). Where that peak does not stand out, the edge is not clear there, and nothing is put in its place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import ndimage
from scipy.interpolate import PchipInterpolator

from kneebundle.landmarks import Landmarks
from kneebundle.measurements.knee_frame import KneeFrame
from kneebundle.radiograph import Radiograph

__all__ = ["COMPARTMENTS", "BoneEdge", "find_joint_edges", "find_path"]

Compartment = Literal["medial", "lateral"]
Bone = Literal["femur", "tibia"]

COMPARTMENTS: dict[str, tuple[float, float]] = {"medial": (0.08, 0.345), "lateral": (0.655, 0.92)}
"""Where edges are looked for, in parts of the femur's width from its medial edge."""

_COLUMN_MM, _ROW_MM = 0.3, 0.1
_BELOW_MM, _ABOVE_MM = 7.0, 18.0
_REACH_MM = 4.0
"""How far from the line through the landmarks an edge is looked for."""
_ANCHORS: dict[tuple[str, str], tuple[tuple[int, float], ...]] = {
    ("medial", "femur"): ((15, 0.0), (14, 0.9), (13, 0.9), (12, 1.3)),
    ("medial", "tibia"): ((8, 0.6), (7, 1.0), (6, 1.0), (5, -0.3)),
    ("lateral", "femur"): ((12, 1.3), (11, 1.1), (10, 0.9), (9, 0.0)),
    ("lateral", "tibia"): ((3, -0.3), (2, 0.8), (1, 0.6), (0, 0.7)),
}
"""Landmarks that an edge passes by, and by how many mm it lies above them: the annotations do not lie on the steepest
grey slope."""
_PRIOR_MM, _PRIOR_WEIGHT = 1.5, 0.12
_SLOPE_WEIGHT = 0.12
_LEAST_COLUMNS = 10
_STEPS = 3
_PLATE_MM, _PLATE_WEIGHT = 0.7, 1.0
"""The tibia's edge is that of the dense plate under its joint surface, and not that of the rim in front or behind,
which is seen above it: how far below the edge the grey value counts, and how much."""
_NORMAL_MM = 0.8
_BESIDE_MM = 0.7
_SMOOTH_MM = 1.2
LEAST_STEEPNESS = 0.05
"""Gradient of a clear edge per mm, as a part of the range of grey values around the joint."""
LEAST_STEP = 0.06
"""By how much the bone beside a clear edge is brighter than the joint space, as a part of that range."""
LARGEST_JUMP_MM = 0.45
"""How far a clear edge's points lie from its smooth line."""


@dataclass(frozen=True)
class BoneEdge:
    """The edge of one bone in one compartment.

    Attributes:
        points: (N, 2) u, v in mm of :class:`KneeFrame`, from medial to lateral.
        clear: (N,) bool, where it is seen well enough to measure from.
        residual_mm: (N,) how far each point as found lies off the smooth line, along the normal.
        expected_mm: (N,) v by the landmarks.
    """

    points: np.ndarray
    clear: np.ndarray
    residual_mm: np.ndarray
    expected_mm: np.ndarray

    @property
    def scatter_mm(self) -> float:
        """Root mean square residual of the clear points."""
        return float(np.sqrt(np.mean(self.residual_mm[self.clear] ** 2))) if self.clear.any() else 0.0


def find_joint_edges(
    radiograph: Radiograph, landmarks: Landmarks, frame: KneeFrame
) -> dict[tuple[Compartment, Bone], BoneEdge]:
    """Find the four edges that bound the joint space of a knee.

    Args:
        radiograph: bone bright; pixels need not be square.
        landmarks: the 16 points in mm.
        frame: of these landmarks.
    """
    strip = _Strip.cut(radiograph, frame)
    edges: dict[tuple[Compartment, Bone], BoneEdge] = {}
    compartments: tuple[Compartment, Compartment] = ("medial", "lateral")
    for compartment in compartments:
        columns = strip.choose_columns(COMPARTMENTS[compartment], frame.width)
        tibia = _find_edge(strip, columns, _guess(compartment, "tibia", landmarks, frame, strip.u[columns]), -1.0, None)
        floor = tibia.points[:, 1]
        femur = _find_edge(strip, columns, _guess(compartment, "femur", landmarks, frame, strip.u[columns]), 1.0, floor)
        edges[compartment, "tibia"], edges[compartment, "femur"] = tibia, femur
    return edges


@dataclass(frozen=True)
class _Strip:
    """The joint, sampled along and across the plateau.

    Attributes:
        u: (C,) of the columns; v: (R,) of the rows, growing; both in mm.
        rise: (C, R) gradient along v, a part of the range of grey values per mm.
        run: (C, R) the same along u.
        grey: (C, R) grey values, smoothed, a part of their range.
        inside: (C, R) bool, within the radiograph.
    """

    u: np.ndarray
    v: np.ndarray
    grey: np.ndarray
    rise: np.ndarray
    run: np.ndarray
    inside: np.ndarray

    @classmethod
    def cut(cls, radiograph: Radiograph, frame: KneeFrame) -> _Strip:
        u = np.arange(0.0, max(frame.width, 10.0), _COLUMN_MM)
        v = np.arange(-_BELOW_MM, _ABOVE_MM, _ROW_MM)
        grid = np.stack(np.meshgrid(u, v, indexing="ij"), axis=-1)
        places = radiograph.mm_to_px(frame.to_mm(grid).reshape(-1, 2))
        last = np.array([radiograph.columns, radiograph.rows]) - 1
        inside = np.asarray(((places >= 0) & (places <= last)).all(axis=1)).reshape(grid.shape[:2])
        grey = ndimage.map_coordinates(radiograph.pixels, places.T[::-1], order=1, mode="nearest", prefilter=False)
        grey = grey.reshape(grid.shape[:2]).astype(np.float32)
        low, high = np.percentile(grey[inside][::7], [2, 98]) if inside.any() else (0.0, 0.0)
        grey *= 1.0 / max(float(high - low), 1e-6)
        pixel = max(radiograph.spacing_mm)
        sigma = (max(0.5, 0.6 * pixel) / _COLUMN_MM, max(0.3, 0.6 * pixel) / _ROW_MM)
        rise = ndimage.gaussian_filter(grey, sigma, order=(0, 1), mode="nearest", truncate=3.0) / _ROW_MM
        run = ndimage.gaussian_filter(grey, sigma, order=(1, 0), mode="nearest", truncate=3.0) / _COLUMN_MM
        return cls(u, v, ndimage.gaussian_filter(grey, sigma, mode="nearest", truncate=3.0), rise, run, inside)

    def choose_columns(self, parts: tuple[float, float], width: float) -> np.ndarray:
        return np.flatnonzero((self.u >= parts[0] * width) & (self.u <= parts[1] * width))


def _guess(compartment: str, bone: str, landmarks: Landmarks, frame: KneeFrame, u: np.ndarray) -> np.ndarray:
    """Height of the edge at each u, by the landmarks."""
    anchors = _ANCHORS[compartment, bone]
    places = frame.to_knee(landmarks.points[[number for number, _ in anchors]])
    heights = places[:, 1] + [offset for _, offset in anchors]
    order = np.argsort(places[:, 0])
    if np.diff(places[order, 0]).min() <= 0:
        return np.full(len(u), heights.mean())
    return PchipInterpolator(places[order, 0], heights[order], extrapolate=True)(u)


def _find_edge(
    strip: _Strip, columns: np.ndarray, guess: np.ndarray, sign: float, floor: np.ndarray | None
) -> BoneEdge:
    """The steepest smooth line; ``sign`` 1: the bone is above. ``floor``: the line lies above it."""
    if len(columns) < _LEAST_COLUMNS:  # landmarks on one heap
        return BoneEdge(np.zeros((0, 2)), np.zeros(0, dtype=bool), np.zeros(0), np.zeros(0))
    offsets = np.arange(-_REACH_MM, _REACH_MM + _ROW_MM / 2, _ROW_MM)
    v = guess[:, None] + offsets
    rows = (v - strip.v[0]) / _ROW_MM
    places = np.stack([np.broadcast_to(columns[:, None], rows.shape), rows]).reshape(2, -1)
    steep = sign * ndimage.map_coordinates(strip.rise, places, order=1, mode="nearest").reshape(rows.shape)
    strong = max(float(np.percentile(steep.max(axis=1), 75)), 1e-6)
    score = np.clip(steep / strong, 0.0, 1.2) - _PRIOR_WEIGHT * (offsets / _PRIOR_MM) ** 2
    if floor is None:
        places[1] -= _PLATE_MM / _ROW_MM
        score += _PLATE_WEIGHT * ndimage.map_coordinates(strip.grey, places, order=1, mode="nearest").reshape(
            rows.shape
        )
    if floor is not None:
        score = np.where(v < floor[:, None] + 0.3, score - 2.0, score)
    path = find_path(score)
    u = strip.u[columns]
    line = np.stack([u, guess + offsets[path]], axis=1)
    return _refine(strip, line, sign, guess)


def find_path(score: np.ndarray) -> np.ndarray:
    """(N,) the state of each of N columns that gives the largest sum of scores (N, S), smooth from column to column."""
    steps = np.arange(-_STEPS, _STEPS + 1)
    penalty = _SLOPE_WEIGHT * steps[:, None].astype(np.float64) ** 2
    count = score.shape[1]
    each = np.arange(count)
    padded = np.full(count + 2 * _STEPS, -np.inf)
    best = padded[_STEPS : _STEPS + count]  # a view, and the states before each state another
    before = np.lib.stride_tricks.sliding_window_view(padded, count)[::-1]
    best[:] = score[0]
    chosen = np.zeros(score.shape, dtype=np.int64)
    for column in range(1, len(score)):
        options = before - penalty
        options.argmax(axis=0, out=chosen[column])
        np.add(options[chosen[column], each], score[column], out=best)
    path = np.empty(len(score), dtype=np.int64)
    path[-1] = best.argmax()
    for column in range(len(score) - 1, 0, -1):
        path[column - 1] = path[column] - steps[chosen[column, path[column]]]
    return path


def _refine(strip: _Strip, line: np.ndarray, sign: float, guess: np.ndarray) -> BoneEdge:
    """Move each point of a line along its normal to the peak of the gradient, and say where it is clear."""
    smooth = line.copy()
    smooth[:, 1] = _smooth(line[:, 1])
    normals = _find_normals(smooth)
    away = np.arange(-_NORMAL_MM, _NORMAL_MM + _ROW_MM / 2, _ROW_MM)
    places = smooth[:, None] + away[:, None] * normals[:, None]
    index = np.stack([places[..., 0] / _COLUMN_MM, (places[..., 1] - strip.v[0]) / _ROW_MM]).reshape(2, -1)
    rise, run = (ndimage.map_coordinates(field, index, order=1, mode="nearest") for field in (strip.rise, strip.run))
    shape = places.shape[:2]
    steep = sign * (rise.reshape(shape) * normals[:, 1, None] + run.reshape(shape) * normals[:, 0, None])
    near = steep - 0.02 * (away / _NORMAL_MM) ** 2
    peak = np.clip(near.argmax(axis=1), 1, len(away) - 2)
    each = np.arange(len(line))
    left, middle, right = steep[each, peak - 1], steep[each, peak], steep[each, peak + 1]
    bend = left - 2 * middle + right
    part = np.where(bend < -1e-9, (left - right) / np.where(bend < -1e-9, 2 * bend, 1.0), 0.0)
    moved = away[peak] + _ROW_MM * np.clip(part, -1.0, 1.0)
    within = (near.argmax(axis=1) > 0) & (near.argmax(axis=1) < len(away) - 1)
    inside = strip.inside[
        np.clip(np.rint(smooth[:, 0] / _COLUMN_MM).astype(int), 0, len(strip.u) - 1),
        np.clip(np.rint((smooth[:, 1] - strip.v[0]) / _ROW_MM).astype(int), 0, len(strip.v) - 1),
    ]
    step = sign * (
        _sample_beside(strip, smooth, normals, _BESIDE_MM) - _sample_beside(strip, smooth, normals, -_BESIDE_MM)
    )
    seen = within & inside & (middle >= LEAST_STEEPNESS) & (_smooth(step) >= LEAST_STEP)
    settled = _smooth(moved, seen)
    residual = moved - settled
    clear = seen & (np.abs(residual) <= LARGEST_JUMP_MM)
    settled = _smooth(moved, clear)
    return BoneEdge(smooth + settled[:, None] * normals, clear, np.where(clear, moved - settled, 0.0), guess)


def _sample_beside(strip: _Strip, line: np.ndarray, normals: np.ndarray, away_mm: float) -> np.ndarray:
    """Grey values (N,) this far from a line along its normals."""
    places = line + away_mm * normals
    index = np.stack([places[:, 0] / _COLUMN_MM, (places[:, 1] - strip.v[0]) / _ROW_MM])
    return ndimage.map_coordinates(strip.grey, index, order=1, mode="nearest")


def _smooth(values: np.ndarray, known: np.ndarray | None = None) -> np.ndarray:
    """A local straight line through values (N,) at each place, by Gaussian weights; ``known``: those that count."""
    count = len(values)
    weights = np.ones(count) if known is None else known.astype(np.float64)
    if weights.sum() < 2:
        return np.zeros(count) if known is not None else values
    sigma = _SMOOTH_MM / _COLUMN_MM
    places = np.arange(count) - (count - 1) / 2

    def blur(terms: np.ndarray) -> np.ndarray:
        return ndimage.gaussian_filter1d(terms, sigma, axis=-1, mode="constant", truncate=4.0)

    w, x, y, xx, xy = blur(
        np.stack([weights, weights * places, weights * values, weights * places**2, weights * places * values])
    )
    spread = w * xx - x * x
    slope = np.where(spread > 1e-9, (w * xy - x * y) / np.maximum(spread, 1e-9), 0.0)
    return np.where(w > 1e-6, (y - slope * x) / np.maximum(w, 1e-6) + slope * places, 0.0)


def _find_normals(line: np.ndarray) -> np.ndarray:
    """(N, 2) unit normals of a line (N, 2), towards the femur."""
    tangents = np.gradient(line, axis=0)
    normals = np.stack([-tangents[:, 1], tangents[:, 0]], axis=1)
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
