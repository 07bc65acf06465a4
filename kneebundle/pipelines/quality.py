"""Checks of a knee that was found: low confidence, a knee cut off by the border, metal in the joint."""

from __future__ import annotations

import numpy as np

from kneebundle.landmarks import Landmarks
from kneebundle.radiograph import Radiograph, Side
from kneebundle.results import Flag
from kneebundle.transforms.roi import crop_roi

__all__ = ["LOWEST_CONFIDENCE", "check_border", "check_implant", "check_joint", "check_landmarks"]

LOWEST_CONFIDENCE = {"joint": 0.20, "landmarks": 0.10}
"""Mean confidence of a network below which a knee gets no landmarks."""

METAL_BRIGHTNESS, METAL_GRAIN = 0.72, 0.02
"""Median of a patch, 1 being the brightest of the joint, and mean standard deviation within a patch. Chosen so that
real bone is hardly ever taken for metal; some arthroplasties are missed."""
_SPACING_MM = 0.5
_SIDES = {"R": "right", "L": "left"}


def check_joint(confidence: np.ndarray, side: Side) -> Flag | None:
    """Flag a knee whose joint stage 1 did not find.

    Args:
        confidence: (1,) of the joint centre.
        side: of the knee.

    Returns:
        The flag ``not_a_knee``; None where the network is sure enough.
    """
    return _check_confidence("not_a_knee", "no knee joint was found", confidence, LOWEST_CONFIDENCE["joint"], side)


def check_landmarks(confidence: np.ndarray, side: Side) -> Flag | None:
    """Flag a knee of whose landmarks stage 2 is too unsure.

    Args:
        confidence: (N,) of the landmarks.
        side: of the knee.

    Returns:
        The flag ``low_confidence``; None where the network is sure enough.
    """
    least = LOWEST_CONFIDENCE["landmarks"]
    return _check_confidence("low_confidence", "the landmarks could not be found", confidence, least, side)


def _check_confidence(code: str, problem: str, confidence: np.ndarray, least: float, side: Side) -> Flag | None:
    mean = float(np.mean(confidence))
    if mean >= least:
        return None
    return Flag(code, f"{problem} on the {_SIDES[side]} side (confidence {mean:.2f}, at least {least:.2f} is needed)")


def check_border(landmarks: Landmarks, radiograph: Radiograph) -> Flag | None:
    """Flag a knee some of whose landmarks lie beyond the border of the radiograph; they are kept.

    Returns:
        The flag ``cut_off``; None where all lie inside.
    """
    points = landmarks.points
    outside = (points < -0.5) | (points > np.array([radiograph.columns, radiograph.rows]) - 0.5)
    count = int(outside.any(axis=1).sum())
    if count == 0:
        return None
    cut = "the knee is cut by the border of the radiograph"
    return Flag("cut_off", f"{cut}: {count} landmarks lie outside, where nothing can be seen")


def check_implant(landmarks: Landmarks, radiograph: Radiograph) -> Flag | None:
    """Flag a joint that looks like an arthroplasty.

    Metal is bright and flat where bone is grained. Four places are looked at, 4 mm into the femoral condyles from
    landmarks 10, 11, 13 and 14. A knee replacement covers all of them; overexposed bone is as bright, but not as flat.

    Returns:
        The flag ``implant``; None where the condyles look like bone, or too little of them is seen to tell.
    """
    mm = landmarks.to_mm(radiograph.spacing_mm).points
    center = (mm.min(0) + mm.max(0)) / 2
    size = float((mm.max(0) - mm.min(0)).max() + 20.0)
    region = crop_roi(radiograph.to_metatensor(), center, size, _SPACING_MM).numpy()[0]
    finite = np.isfinite(region)
    if finite.mean() < 0.5:
        return None
    low, high = np.percentile(region[finite], [1, 99.9])
    if high <= low:
        return None
    grey = (np.nan_to_num(region, nan=low) - low) / (high - low)
    along = (mm[7] - mm[1]) / max(float(np.linalg.norm(mm[7] - mm[1])), 1e-6)
    up = np.array([along[1], -along[0]])
    up = up if up[1] < 0 else -up
    first = center - (np.array(grey.shape[::-1]) - 1) / 2 * _SPACING_MM
    patches = [_cut_patch(grey, (mm[i] + 4.0 * up - first) / _SPACING_MM) for i in (10, 11, 13, 14)]
    if any(patch.size == 0 for patch in patches):
        return None
    bright = min(float(np.median(patch)) for patch in patches) > METAL_BRIGHTNESS
    flat = float(np.mean([patch.std() for patch in patches])) < METAL_GRAIN
    if not (bright and flat):
        return None
    message = "the femoral condyles are as bright and flat as metal, as in an arthroplasty: "
    return Flag("implant", message + "landmarks of bone cannot be measured")


def _cut_patch(grey: np.ndarray, center: np.ndarray) -> np.ndarray:
    """7 x 7 pixels around a point (x, y); fewer at the border."""
    x, y = np.round(center).astype(int)
    return grey[max(y - 3, 0) : max(y + 4, 0), max(x - 3, 0) : max(x + 4, 0)]
