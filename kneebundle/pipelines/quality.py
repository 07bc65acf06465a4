"""Whether a knee should be measured: replacements, what is no knee, cut-off knees, unlikely landmarks, unsure networks.

Each reason is a :class:`~kneebundle.results.Flag` with its score and threshold; docs/quality.md says how they were set.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from kneebundle.landmarks import KNEE_PA, Landmarks
from kneebundle.measurements.plausibility import Plausibility
from kneebundle.pipelines.knee_check import CheckedRegion
from kneebundle.radiograph import Radiograph, Side
from kneebundle.results import Flag

__all__ = [
    "DEFAULT_THRESHOLDS",
    "UNMEASURED",
    "KnownBy",
    "Thresholds",
    "check_border",
    "check_landmarks",
    "check_position",
    "check_region",
    "check_shape",
    "check_side",
]

UNMEASURED = frozenset({"implant", "not_a_knee", "cut_off", "low_confidence", "implausible", "turned"})
"""Codes of the flags with which a knee gets no landmarks."""

KnownBy = Literal["statement", "place", "image"]
"""How the side of a knee is known."""

_NAMES = {"R": "right", "L": "left"}


@dataclass(frozen=True)
class Thresholds:
    """What decides whether a knee is measured; set on radiographs for development.

    Attributes:
        native: least probability of a native knee.
        side: least probability of a side that only the image tells, for it to go without a flag.
        side_by_place: the same for a knee that lies beside another one.
        contradiction: probability of the other side from which a stated side is contradicted.
        turned: probability of a knee from which a radiograph that was turned counts as one lying or on its head.
        landmarks: least mean confidence of the landmark network; a bundle may name its own (``least_confidence``).
        shape: largest distance from the mean shape, in standard deviations.
        residual_mm: largest distance from any shape of the model.
        scale: smallest and largest size over that of the mean knee.
        turn_deg: largest lean of the plateau.
        joint_mm: largest distance of the tibial centre from where the knee check sees the joint.
    """

    native: float = 0.5
    side: float = 0.9
    side_by_place: float = 0.5
    contradiction: float = 0.9
    turned: float = 0.9
    landmarks: float = 0.20
    shape: float = 2.4
    residual_mm: float = 3.0
    scale: tuple[float, float] = (0.55, 1.6)
    turn_deg: float = 20.0
    joint_mm: float = 12.0


DEFAULT_THRESHOLDS = Thresholds()
"""Those of ``kneebundle predict``."""


def check_region(region: CheckedRegion, side: Side, thresholds: Thresholds) -> Flag | None:
    """Flag a region in which the knee check does not see a native knee.

    Returns:
        The flag ``implant`` or ``not_a_knee``, whichever is likelier; None for a native knee.
    """
    if region.native >= thresholds.native:
        return None
    where = f"on the {_NAMES[side]} side"
    if region.implant >= region.none:
        message = f"there is a knee replacement {where}: landmarks of bone cannot be measured"
        return Flag("implant", message, region.native, thresholds.native)
    return Flag("not_a_knee", f"no knee joint from the front was found {where}", region.native, thresholds.native)


def check_side(region: CheckedRegion, side: Side, known_by: KnownBy, thresholds: Thresholds) -> Flag | None:
    """Flag a side that the image contradicts, or one that nobody stated and that is in doubt.

    Args:
        region: what the knee check sees.
        side: the side that is taken.
        known_by: how it is known: somebody stated it, the knee's place beside another one, or its look alone.
        thresholds: what decides.

    Returns:
        The flag ``side_contradiction`` or ``side_guessed``, or None.
    """
    own = region.probability_of(side)
    if region.native >= thresholds.native and 1 - own >= thresholds.contradiction:
        message = f"the knee is taken for a {_NAMES[side]} one, but it looks like the other"
        return Flag("side_contradiction", message, 1 - own, thresholds.contradiction)
    least = {"statement": 0.0, "place": thresholds.side_by_place, "image": thresholds.side}[known_by]
    if own >= least:
        return None
    return Flag("side_guessed", f"the side was not given: it is guessed to be the {_NAMES[side]} one", own, least)


def check_border(landmarks: Landmarks, radiograph: Radiograph) -> Flag | None:
    """Flag a knee some of whose landmarks lie beyond the border of the radiograph.

    Returns:
        The flag ``cut_off``; None where all lie inside.
    """
    points = landmarks.points
    outside = (points < -0.5) | (points > np.array([radiograph.columns, radiograph.rows]) - 0.5)
    count = int(outside.any(axis=1).sum())
    if count == 0:
        return None
    cut = "the knee is cut by the border of the radiograph"
    return Flag("cut_off", f"{cut}: {count} landmarks lie outside, where nothing can be seen", float(count), 1.0)


def check_landmarks(confidence: np.ndarray, side: Side, thresholds: Thresholds) -> Flag | None:
    """Flag a knee of whose landmarks stage 2 is too unsure.

    Args:
        confidence: (N,) of the landmarks.
        side: of the knee.
        thresholds: what decides.

    Returns:
        The flag ``low_confidence``; None where the network is sure enough.
    """
    mean, least = float(np.mean(confidence)), thresholds.landmarks
    if mean >= least:
        return None
    message = f"the landmarks could not be found on the {_NAMES[side]} side"
    return Flag(
        "low_confidence",
        f"{message} (confidence {np.floor(100 * mean) / 100:.2f}, at least {least:.2f} is needed)",
        mean,
        least,
    )


def check_shape(shape: Plausibility, thresholds: Thresholds) -> Flag | None:
    """Flag landmarks that do not lie as those of a knee do.

    Args:
        shape: of :func:`kneebundle.measurements.measure_plausibility`.
        thresholds: what decides.

    Returns:
        The flag ``implausible``, with the first of the scores that is out of range; None where all are in range.
    """
    low, high = thresholds.scale
    checks: Sequence[tuple[bool, str, float, float]] = (
        (shape.distance > thresholds.shape, "shape", shape.distance, thresholds.shape),
        (shape.residual_mm > thresholds.residual_mm, "scatter", shape.residual_mm, thresholds.residual_mm),
        (shape.scale < low, "size", shape.scale, low),
        (shape.scale > high, "size", shape.scale, high),
        (abs(shape.turn_deg) > thresholds.turn_deg, "lean", abs(shape.turn_deg), thresholds.turn_deg),
    )
    for failed, what, score, threshold in checks:
        if failed:
            return Flag("implausible", f"the landmarks are not those of a knee, by their {what}", score, threshold)
    return None


def check_position(landmarks_mm: np.ndarray, region: CheckedRegion, thresholds: Thresholds) -> Flag | None:
    """Flag landmarks whose tibial centre lies elsewhere than where the knee check sees the joint.

    Args:
        landmarks_mm: (16, 2) in mm of the radiograph.
        region: what the knee check sees around their tibial centre.
        thresholds: what decides.

    Returns:
        The flag ``implausible``; None where they lie on the joint.
    """
    away = float(np.linalg.norm(landmarks_mm[KNEE_PA.center] - region.joint_mm))
    if away <= thresholds.joint_mm:
        return None
    return Flag("implausible", "the landmarks lie beside the joint", away, thresholds.joint_mm)
