"""The shapes of a leg beyond a knee crop: shafts of femur, tibia and fibula, and the skin.

All in mm of a right knee's crop (lateral on the left), one value for each row of a canvas.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from kneebundle.phantoms.pa.cropped_knee import CroppedKnee

__all__ = [
    "Shaft",
    "chord",
    "draw_bone_thickness",
    "draw_femur_shaft",
    "draw_fibula_shaft",
    "draw_skin",
    "draw_tibia_shaft",
    "smoothstep",
    "warp_to_edge",
]


@dataclass(frozen=True)
class Shaft:
    """Left and right border of a bone beyond the crop, one value for each row of the canvas."""

    beyond: np.ndarray
    left: np.ndarray
    right: np.ndarray
    left_at_edge: float
    right_at_edge: float
    cortex: np.ndarray


def draw_femur_shaft(knee: CroppedKnee, y: np.ndarray, rng: np.random.Generator) -> Shaft:
    """Draw the borders of the femur above the crop."""
    width = knee.bone_width_mm
    share = float(
        np.interp(knee.points_mm[[9, 15], 1].mean(), (30, 55, 65, 75, 90, 110), (1, 0.85, 0.7, 0.58, 0.48, 0.43))
    )
    edges = _bone_edges(knee, 0, 0.485, share)
    tilt = float(np.tan(np.deg2rad(rng.uniform(-1.0, 10.0))))
    return _shaft(np.maximum(-y, 0), edges, width * rng.uniform(0.36, 0.48), rng.uniform(24, 46), -tilt, rng)


def draw_tibia_shaft(knee: CroppedKnee, y: np.ndarray, rng: np.random.Generator) -> Shaft:
    """Draw the borders of the tibia below the crop."""
    width = knee.bone_width_mm
    below = knee.height_mm - knee.points_mm[[9, 15], 1].mean()
    share = float(np.interp(below, (20, 35, 45, 55, 65, 80, 100), (1, 0.86, 0.75, 0.62, 0.52, 0.43, 0.38)))
    edges = _bone_edges(knee, knee.pixels.shape[0] - 1, 0.505, share)
    tilt = float(np.tan(np.deg2rad(rng.uniform(-4.0, 4.0))))
    return _shaft(
        np.maximum(y - knee.height_mm, 0), edges, width * rng.uniform(0.32, 0.42), rng.uniform(20, 38), tilt, rng
    )


def draw_fibula_shaft(knee: CroppedKnee, y: np.ndarray, tibia: Shaft, rng: np.random.Generator) -> Shaft:
    """Draw the borders of the fibula below the crop."""
    half = rng.uniform(4.5, 7.0) * (1 + 0.5 * np.exp(-tibia.beyond / 15))
    center = tibia.left_at_edge + rng.uniform(-4, 3) + rng.uniform(-0.02, 0.12) * tibia.beyond
    cortex = np.full_like(tibia.beyond, rng.uniform(0.25, 0.45))
    return Shaft(
        tibia.beyond, center - half, center + half, tibia.left_at_edge - half[0, 0], tibia.left_at_edge, cortex
    )


def _bone_edges(knee: CroppedKnee, row: int, middle: float, share: float) -> tuple[float, float]:
    """Where a bone's two walls cross an edge row of the crop, in mm: the steepest grey near where they are expected.

    ``middle`` and ``share`` are the bone's expected middle and width there, as parts of the femur's width at the joint.
    """
    first = float(knee.points_mm[[9, 15], 0].min())
    left_mm, right_mm = (first + (middle + sign * share / 2) * knee.bone_width_mm for sign in (-1, 1))
    depth = max(2, int(3 / knee.spacing_mm))
    rows = knee.near[:depth] if row == 0 else knee.near[-depth:]
    slope = np.gradient(rows.mean(axis=0))
    x = np.arange(len(slope)) * knee.spacing_mm
    reach = 0.07 * knee.bone_width_mm
    left = x[np.argmax(slope * np.exp(-0.5 * ((x - left_mm) / reach) ** 2))]
    right = x[np.argmax(-slope * np.exp(-0.5 * ((x - right_mm) / reach) ** 2))]
    return (float(left), float(right)) if right - left > 0.25 * knee.bone_width_mm else (left_mm, right_mm)


def _shaft(
    beyond: np.ndarray, edges: tuple[float, float], width: float, taper: float, tilt: float, rng: np.random.Generator
) -> Shaft:
    """A bone that narrows from its two edges to ``width`` over some ``taper`` mm while its axis leans by ``tilt``."""
    left, right = edges
    narrowing = np.exp(-beyond / taper)
    width = min(width, right - left)
    half = (width + (right - left - width) * narrowing) / 2 * (1 + 0.0006 * np.maximum(beyond - 90, 0))
    center = (left + right) / 2 + tilt * (beyond - taper * (1 - narrowing))
    cortex = rng.uniform(0.03, 0.06) + (rng.uniform(0.16, 0.3) - 0.05) * smoothstep(beyond / rng.uniform(60, 110))
    return Shaft(beyond, center - half, center + half, left, right, cortex)


def warp_to_edge(x: np.ndarray, bone: Shaft) -> np.ndarray:
    """The column at the crop's edge row that a point beyond it continues: bone onto bone, flesh beside it shifted."""
    scale = (bone.right_at_edge - bone.left_at_edge) / (bone.right - bone.left)
    left_part = x + (bone.left_at_edge - bone.left)
    right_part = x + (bone.right_at_edge - bone.right)
    inner = bone.left_at_edge + (x - bone.left) * scale
    return np.where(x < bone.left, left_part, np.where(x > bone.right, right_part, inner))


def draw_bone_thickness(
    x: np.ndarray, femur: Shaft, tibia: Shaft, fibula: Shaft, rng: np.random.Generator
) -> np.ndarray:
    """How much bone the ray crosses, about 1 at a shaft's walls: hollow tubes with some spongy bone in them."""
    marrow = rng.uniform(0.25, 0.7)
    total = np.zeros(np.broadcast_shapes(x.shape, femur.beyond.shape), dtype=np.float32)
    for bone, gain in ((femur, rng.uniform(0.8, 1.6)), (tibia, rng.uniform(0.8, 1.6)), (fibula, rng.uniform(0.4, 0.9))):
        rows = np.flatnonzero(bone.beyond[:, 0] > 0)
        if len(rows) == 0:
            continue
        part = slice(rows[0], rows[-1] + 1)
        left, right, cortex = bone.left[part], bone.right[part], bone.cortex[part]
        inset = cortex * (right - left) / 2
        outer = chord(x, left, right)
        wall = outer - (1 - cortex) * chord(x, left + inset, right - inset)
        total[part] += gain * (wall / np.sqrt(2 * cortex) + marrow * outer * (1 - cortex))
    return total


def draw_skin(knee: CroppedKnee, y: np.ndarray, side: int, rng: np.random.Generator) -> np.ndarray:
    """Draw x of the skin on one side (-1 left, 1 right) for each row of the canvas, in mm.

    Beside the crop its edge column says how far away the skin is; a crop that shows air has it inside.
    """
    flesh = (knee.coarse if side < 0 else knee.coarse[:, ::-1]) - knee.air
    thick = np.clip(flesh[:, 0] / (knee.soft - knee.air), 0, 1.2)
    shown = flesh > 0.2 * (knee.soft - knee.air)
    dark = np.argmax(shown, axis=1) * knee.spacing_mm
    out = np.where(dark > 2, -dark, 2 + rng.uniform(10, 34) * thick**2)
    out = ndimage.gaussian_filter1d(out, 14 / knee.spacing_mm, mode="nearest")
    within = np.interp(y, np.arange(len(out)) * knee.spacing_mm, out)
    above, below = np.maximum(-y, 0), np.maximum(y - knee.height_mm, 0)
    thigh = rng.uniform(-5, 50) * smoothstep(above / rng.uniform(80, 200))
    calf = rng.uniform(-5, 25) * smoothstep(below / 70) - rng.uniform(10, 35) * smoothstep((below - 70) / 130)
    distance = within + thigh + calf
    return -distance if side < 0 else knee.width_mm + distance


def chord(x: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Length of the ray through a round limb between two borders, 1 in the middle, 0 outside."""
    half = np.maximum((right - left) / 2, 1e-3)
    return np.sqrt(np.maximum(1 - ((x - (left + right) / 2) / half) ** 2, 0)).astype(np.float32)


def smoothstep(t: np.ndarray) -> np.ndarray:
    """0 to 1 between 0 and 1, without corners."""
    t = np.clip(t, 0, 1)
    return t * t * (3 - 2 * t)
