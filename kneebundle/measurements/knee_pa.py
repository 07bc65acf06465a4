"""Numbers that people take from the 16 landmarks of a PA knee radiograph.

All of them hold for either side and for any orientation of the radiograph, because they are taken along and across the
tibial plateau line and not along the image's axes.

- *Plateau line*: from landmark 1 to landmark 7, the outer points of the lateral and of the medial tibial plateau.
- *Across*: at right angles to that line, towards the femur.

================================= ==== ==============================================================================
name                              unit what it is
================================= ==== ==============================================================================
joint_space_width_lateral         mm   from landmark 1 up to landmark 10, across the plateau line; negative where they
                                       overlap
joint_space_width_medial          mm   the same from landmark 7 up to landmark 14
joint_space_width_lateral_minimum mm   smallest distance between the landmark outlines 0-1-2 and 9-10-11
joint_space_width_medial_minimum  mm   smallest distance between the landmark outlines 6-7-8 and 13-14-15
tibial_plateau_width              mm   from landmark 0 to landmark 8
femoral_width                     mm   from landmark 9 to landmark 15
tibiofemoral_shift                mm   how far the middle of the tibia (0, 8) lies medial of the middle of the femur
                                       (9, 15), along the plateau line; negative: lateral
joint_line_convergence_angle      deg  between the line of the condyles (10 to 14) and the plateau line; positive where
                                       the joint is wider on the lateral side, as in varus knees
tibial_plateau_tilt               deg  of the plateau line against the rows of the image; positive where the medial side
                                       lies higher. It holds the leg's position in the image too
================================= ==== ==============================================================================

The mechanical and anatomical axes need the hip, the ankle or the shafts, which are no landmarks of a knee radiograph:
the hip-knee-ankle and the femorotibial angle are therefore not among them. A radiograph magnifies: lengths are as long
as the pixel spacing says.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from kneebundle.errors import KneeBundleError
from kneebundle.landmarks import KNEE_PA, Landmarks

__all__ = ["Measurement", "measure_knee_pa"]


class Measurement(NamedTuple):
    """A value and its unit, ``"mm"`` or ``"deg"``."""

    value: float
    unit: str


def measure_knee_pa(landmarks: Landmarks) -> dict[str, Measurement]:
    """Measure one knee; the values come in the order of the table above.

    Args:
        landmarks: the 16 points of ``KNEE_PA`` in mm.

    Raises:
        KneeBundleError: for another landmark set, or points in pixels.
    """
    if landmarks.landmark_set is not KNEE_PA or landmarks.frame != "mm":
        raise KneeBundleError(
            f"got landmarks {landmarks.landmark_set.key!r} in {landmarks.frame}; measurements need 'knee_pa' in mm"
        )
    p = landmarks.points
    along = _unit(p[7] - p[1])
    across = _towards(np.array([along[1], -along[0]]), p[9:].mean(axis=0) - p[:9].mean(axis=0))
    condyles = p[14] - p[10]
    shift = (p[0] + p[8] - p[9] - p[15]) / 2
    return {
        "joint_space_width_lateral": Measurement(float((p[10] - p[1]) @ across), "mm"),
        "joint_space_width_medial": Measurement(float((p[14] - p[7]) @ across), "mm"),
        "joint_space_width_lateral_minimum": Measurement(_outline_distance(p[0:3], p[9:12]), "mm"),
        "joint_space_width_medial_minimum": Measurement(_outline_distance(p[6:9], p[13:16]), "mm"),
        "tibial_plateau_width": Measurement(float(np.linalg.norm(p[8] - p[0])), "mm"),
        "femoral_width": Measurement(float(np.linalg.norm(p[15] - p[9])), "mm"),
        "tibiofemoral_shift": Measurement(float(shift @ along), "mm"),
        "joint_line_convergence_angle": Measurement(_degrees(-condyles @ across, condyles @ along), "deg"),
        "tibial_plateau_tilt": Measurement(_degrees(p[1, 1] - p[7, 1], abs(p[7, 0] - p[1, 0])), "deg"),
    }


def _unit(vector: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(vector)
    return vector / length if length > 0 else np.array([1.0, 0.0])


def _towards(vector: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """The vector or its opposite, whichever points the way of ``direction``."""
    return vector if vector @ direction >= 0 else -vector


def _degrees(opposite: float, adjacent: float) -> float:
    return float(np.degrees(np.arctan2(opposite, adjacent)))


def _outline_distance(first: np.ndarray, second: np.ndarray) -> float:
    """Smallest distance in mm between two open outlines, (N, 2) each; 0 where they cross."""
    pairs = [(a, b) for a in zip(first[:-1], first[1:], strict=True) for b in zip(second[:-1], second[1:], strict=True)]
    return min(_segment_distance(*a, *b) for a, b in pairs)


def _segment_distance(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray) -> float:
    """Distance between the segments a-b and c-d: 0 where they cross, else that of an end to the other segment."""
    if _turn(a, b, c) * _turn(a, b, d) < 0 and _turn(c, d, a) * _turn(c, d, b) < 0:
        return 0.0
    return min(_point_distance(c, a, b), _point_distance(d, a, b), _point_distance(a, c, d), _point_distance(b, c, d))


def _turn(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> float:
    """Positive, zero or negative as a -> b -> c turns one way, goes straight on or turns the other way."""
    return float((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]))


def _point_distance(point: np.ndarray, start: np.ndarray, end: np.ndarray) -> float:
    edge = end - start
    length = float(edge @ edge)
    share = np.clip((point - start) @ edge / length, 0.0, 1.0) if length > 0 else 0.0
    return float(np.linalg.norm(point - start - share * edge))
