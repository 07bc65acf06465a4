"""Reasons not to believe an answer: low confidence, a knee cut by the border, metal in the joint."""

from __future__ import annotations

import numpy as np

from kneebundle.landmarks import Landmarks
from kneebundle.radiograph import Radiograph, Side
from kneebundle.transforms.roi import crop_roi

__all__ = ["LOWEST_CONFIDENCE", "border_flags", "confidence_flag", "metal_flag"]

LOWEST_CONFIDENCE = {"joint": 0.20, "landmarks": 0.10}
"""Mean confidence below which nothing is answered."""

METAL_BRIGHTNESS, METAL_GRAIN = 0.72, 0.02
"""Median of a patch, 1 being the brightest of the joint, and mean standard deviation within a patch. Chosen so that real bone is hardly
ever taken for metal; some arthroplasties are missed."""
_SPACING_MM = 0.5
_SIDES = {"R": "right", "L": "left"}


def confidence_flag(confidence: np.ndarray, what: str, side: Side) -> str | None:
    """Why nothing is answered, if the network is too unsure.

    Args:
        confidence: (N,) of a network's answer.
        what: ``"joint"`` (stage 1) or ``"landmarks"`` (stage 2).
        side: of the knee.
    """
    mean, least = float(np.mean(confidence)), LOWEST_CONFIDENCE[what]
    if mean >= least:
        return None
    thing = "no knee joint was found" if what == "joint" else "the landmarks could not be found"
    return f"{thing} on the {_SIDES[side]} side (confidence {mean:.2f}, at least {least:.2f} is needed)"


def border_flags(landmarks: Landmarks, radiograph: Radiograph) -> list[str]:
    """One line if landmarks lie beyond the film."""
    points = landmarks.points
    outside = (points < -0.5) | (points > np.array([radiograph.columns, radiograph.rows]) - 0.5)
    count = int(outside.any(axis=1).sum())
    if count == 0:
        return []
    return [f"the knee is cut by the film's border: {count} landmarks lie outside, where nothing can be seen"]


def metal_flag(landmarks: Landmarks, radiograph: Radiograph) -> str | None:
    """Why nothing is answered, if the joint looks like an arthroplasty.

    Metal is bright and flat where bone is grained. Four places are looked at, 4 mm into the femoral condyles from landmarks
    10, 11, 13 and 14. A knee replacement covers all of them; overexposed bone is as bright, but not as flat.
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
    patches = [_patch(grey, (mm[i] + 4.0 * up - first) / _SPACING_MM) for i in (10, 11, 13, 14)]
    if any(patch.size == 0 for patch in patches):
        return None
    bright = min(float(np.median(patch)) for patch in patches) > METAL_BRIGHTNESS
    flat = float(np.mean([patch.std() for patch in patches])) < METAL_GRAIN
    if not (bright and flat):
        return None
    return "the femoral condyles are as bright and flat as metal, as in an arthroplasty: landmarks of bone cannot be measured"


def _patch(grey: np.ndarray, center: np.ndarray) -> np.ndarray:
    """7 x 7 pixels around a point (x, y); fewer at the border."""
    x, y = np.round(center).astype(int)
    return grey[max(y - 3, 0) : max(y + 4, 0), max(x - 3, 0) : max(x + 4, 0)]
