"""The axes of the shafts of femur and tibia, and the anatomical tibiofemoral angle between them.

The shaft is cut across at many heights beyond the flare of the bone; at each its two outer edges are found, and a line
is laid through the midpoints.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from kneebundle.landmarks import Landmarks
from kneebundle.measurements.joint_edges import find_path
from kneebundle.measurements.knee_frame import KneeFrame
from kneebundle.measurements.measurement import Measurement
from kneebundle.measurements.straight_line import fit_line
from kneebundle.radiograph import Radiograph

__all__ = ["ShaftAxis", "find_shaft_axis", "measure_tibiofemoral_angle"]

HEIGHTS = {"femur": (0.90, 1.75), "tibia": (-0.68, -1.60)}
"""From the plateau line, in widths of the femur: where the shaft begins, and how far it is followed."""
LEAST_SPAN_MM = 30.0
"""Length of shaft that an axis needs."""
LARGEST_RESIDUAL_MM = 1.2
"""Root mean square distance of the midpoints from their line."""
LEAST_STEEPNESS = 0.012
"""Gradient at a clear edge per mm, as a part of the range of grey values across the leg."""
_GAP = 3
"""So many heights without clear edges end the shaft, as the edge of a collimated field does."""
_HALF_WIDTHS_MM = {"femur": np.arange(11.0, 30.0), "tibia": np.arange(9.0, 24.0)}
_STEP_MM, _HEIGHT_STEP_MM = 0.5, 2.5
_REACH_MM = 50.0
_BLUR_MM = 0.8
_ANGLE_FLOOR_DEG = 0.3
_INDEPENDENT = 3.0
"""Neighbouring heights that err together."""


@dataclass(frozen=True)
class ShaftAxis:
    """The axis of a shaft, in u and v of :class:`kneebundle.measurements.KneeFrame`.

    Attributes:
        medial, lateral: (N, 2) the edges at each height.
        point: (2,) on the axis.
        direction: (2,) unit vector, towards the hip.
        deviation_deg: standard deviation of its direction.
    """

    medial: np.ndarray
    lateral: np.ndarray
    point: np.ndarray
    direction: np.ndarray
    deviation_deg: float

    @property
    def lean_deg(self) -> float:
        """How far the axis leans to the lateral side going up."""
        return float(np.degrees(np.arctan2(self.direction[0], self.direction[1])))


def find_shaft_axis(radiograph: Radiograph, landmarks: Landmarks, frame: KneeFrame, bone: str) -> ShaftAxis | str:
    """Find the axis of the ``"femur"`` or the ``"tibia"``.

    Args:
        radiograph: bone bright.
        landmarks: the 16 points in mm.
        frame: of these landmarks.
        bone: which.

    Returns:
        The axis, or why there is none.
    """
    start, end = (part * frame.width for part in HEIGHTS[bone])
    step = _HEIGHT_STEP_MM if end > start else -_HEIGHT_STEP_MM
    heights = np.arange(start, end, step)
    ends = (9, 15) if bone == "femur" else (0, 8)
    middle = float(frame.to_knee(landmarks.points[list(ends)])[:, 0].mean())
    across = np.arange(-_REACH_MM, _REACH_MM + _STEP_MM / 2, _STEP_MM)
    grid = np.stack(np.broadcast_arrays(middle + across[None], heights[:, None]), axis=-1)
    places = radiograph.mm_to_px(frame.to_mm(grid).reshape(-1, 2)).reshape(grid.shape)
    last = np.array([radiograph.columns, radiograph.rows]) - 1
    core = np.abs(across) <= 25.0
    shown = np.asarray(((places[:, core] >= 0) & (places[:, core] <= last)).all(axis=(1, 2)))
    count = int(np.argmin(shown)) if not shown.all() else len(shown)
    missing = f"less than {LEAST_SPAN_MM:g} mm of the {bone}'s shaft is on the radiograph"
    if (count - 1) * _HEIGHT_STEP_MM < LEAST_SPAN_MM:
        return missing
    heights, places = heights[:count], places[:count]
    grey = ndimage.map_coordinates(radiograph.pixels, places.reshape(-1, 2).T[::-1], order=1, mode="nearest")
    grey = grey.reshape(places.shape[:2]).astype(np.float64)
    low, high = np.percentile(grey[:, core], [2, 98])
    blur = max(_BLUR_MM, 0.6 * max(radiograph.spacing_mm)) / _STEP_MM
    rise = ndimage.gaussian_filter(grey, (1.0, blur), order=(0, 1), mode="nearest") / _STEP_MM / max(high - low, 1e-6)
    medial, lateral, steep = _find_walls(rise, across, _HALF_WIDTHS_MM[bone])
    count = _count_clear(steep)
    if (count - 1) * _HEIGHT_STEP_MM < LEAST_SPAN_MM:
        return f"the edges of the {bone}'s shaft are clear over less than {LEAST_SPAN_MM:g} mm"
    heights = heights[:count]
    medial_points = np.stack([middle + medial[:count], heights], axis=1)
    lateral_points = np.stack([middle + lateral[:count], heights], axis=1)
    middles = (medial_points + lateral_points) / 2
    point, direction = fit_line(middles)
    direction = direction if direction[1] > 0 else -direction
    off = (middles - point) @ np.array([-direction[1], direction[0]])
    residual = float(np.sqrt(np.mean(off**2)))
    if residual > LARGEST_RESIDUAL_MM:
        return f"the edges of the {bone}'s shaft do not lie along a straight bone"
    spread = float(np.std(heights)) * np.sqrt(len(heights) / _INDEPENDENT)
    deviation = float(np.hypot(_ANGLE_FLOOR_DEG, np.degrees(residual / spread)))
    return ShaftAxis(medial_points, lateral_points, point, direction, deviation)


def measure_tibiofemoral_angle(radiograph: Radiograph, landmarks: Landmarks, frame: KneeFrame) -> Measurement:
    """Measure the angle between the shafts of femur and tibia; positive in valgus.

    It has no value where too little of a shaft is on the radiograph, or its edges are not clear. The mechanical
    (hip-knee-ankle) angle needs the hip and the ankle, which are not found.
    """
    name = "anatomical_tibiofemoral_angle"
    axes = [find_shaft_axis(radiograph, landmarks, frame, bone) for bone in ("femur", "tibia")]
    femur, tibia = axes
    if isinstance(femur, str) or isinstance(tibia, str):
        reasons = [axis for axis in axes if isinstance(axis, str)]
        return Measurement(name, None, "deg", source="edges", reason="; ".join(reasons))
    lines = [line for axis in (femur, tibia) for line in (_draw(axis), axis.medial, axis.lateral)]
    segments = tuple(radiograph.mm_to_px(frame.to_mm(line)) for line in lines)
    deviation = float(np.hypot(femur.deviation_deg, tibia.deviation_deg))
    return Measurement(name, femur.lean_deg - tibia.lean_deg, "deg", deviation, segments, "edges")


def _count_clear(steep: np.ndarray) -> int:
    """How many heights lie before the first gap of the edges."""
    unclear = np.concatenate([steep < LEAST_STEEPNESS, np.ones(_GAP, dtype=bool)])
    runs = np.convolve(unclear, np.ones(_GAP), mode="valid") == _GAP
    return int(np.argmax(runs))


def _find_walls(
    rise: np.ndarray, across: np.ndarray, half_widths: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Medial and lateral edge (H,) mm at each height, and the smaller gradient (H,) of the two.

    First the centre at each height, smooth from height to height, whose best pair of edges is steepest; then each edge
    to a part of a sample.
    """
    shifts = np.rint(half_widths / _STEP_MM).astype(int)
    columns = np.arange(len(across))
    left = np.clip(columns - shifts[:, None], 0, len(across) - 1)
    right = np.clip(columns + shifts[:, None], 0, len(across) - 1)
    pairs = np.minimum(rise[:, left], -rise[:, right]) + 0.25 * (rise[:, left] - rise[:, right])
    best, width = pairs.max(axis=1), pairs.argmax(axis=1)
    strong = max(float(np.percentile(best.max(axis=1), 75)), 1e-9)
    score = np.clip(best / strong, -1.0, 1.2) - 0.1 * (across / 20.0) ** 2
    path = find_path(score)
    chosen = shifts[width[np.arange(len(path)), path]]
    medial, steep_medial = _find_peaks(rise, path - chosen)
    lateral, steep_lateral = _find_peaks(-rise, path + chosen)
    return (
        across[0] + medial * _STEP_MM,
        across[0] + lateral * _STEP_MM,
        np.minimum(steep_medial, steep_lateral),
    )


def _find_peaks(rise: np.ndarray, start: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Place (H,) of the largest value of each row near its start, to a part of a sample, and the value."""
    rows = np.arange(len(rise))
    near = np.clip(start[:, None] + np.arange(-3, 4), 1, rise.shape[1] - 2)
    place = near[rows, rise[rows[:, None], near].argmax(axis=1)]
    before, at, after = rise[rows, place - 1], rise[rows, place], rise[rows, place + 1]
    bend = before - 2 * at + after
    part = np.where(bend < -1e-12, (before - after) / np.where(bend < -1e-12, 2 * bend, 1.0), 0.0)
    return place + np.clip(part, -1.0, 1.0), at


def _draw(axis: ShaftAxis) -> np.ndarray:
    """The axis from its far end to the joint, (2, 2)."""
    far = axis.medial[-1, 1]
    steps = (np.array([far, 0.0]) - axis.point[1]) / axis.direction[1]
    return axis.point + steps[:, None] * axis.direction
