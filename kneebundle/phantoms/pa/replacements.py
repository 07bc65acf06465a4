"""Knee replacements, total and partial, drawn onto a knee: metal, the gap of the plastic between, cement, stems.

``implants`` draws simple shapes; these follow what radiographs show: a femoral shield with condyles, notch and an
anterior flange of any height, a tray with keel, pegs or stem, a radiolucent gap between, hinges with stems both ways,
and on one compartment a cap with a small tray.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy import ndimage
from scipy.interpolate import splev, splprep

from kneebundle.phantoms.pa.implants import _draw, _KneeFrame

__all__ = ["Replacement", "add_replacement"]

Replacement = Literal["total", "partial", "hinge"]


def add_replacement(
    film: np.ndarray, landmarks_px: np.ndarray, spacing_mm: float, kind: Replacement, rng: np.random.Generator
) -> None:
    """Draw a replacement onto a knee, in place.

    Args:
        film: (rows, columns) float32 thickness, air 0 and bone about 1.
        landmarks_px: (16, 2) the knee's landmarks on the film.
        spacing_mm: pixel size of the film.
        kind: which.
        rng: draws size, shape and density.
    """
    knee = _KneeFrame(landmarks_px, spacing_mm)
    plastic, metal = _partial(knee, rng) if kind == "partial" else _total(knee, rng, hinge=kind == "hinge")
    gap = _draw(film.shape, [knee.px(p) for p in plastic])
    if spacing_mm < 0.8:
        gap = ndimage.gaussian_filter(gap, 0.4 / spacing_mm)
    soft = float(np.median(film[gap > 0.5])) * rng.uniform(0.35, 0.8) if (gap > 0.5).any() else 0.4
    film += gap * (soft - film)
    mask = _draw(film.shape, [knee.px(p) for p in metal])
    if rng.random() < 0.4:
        cement = np.clip(ndimage.gaussian_filter(mask, rng.uniform(1.0, 2.5) / spacing_mm) * 1.6, 0, 1)
        film += cement * rng.uniform(0.05, 0.3)
    level = rng.uniform(1.25, 2.5)
    body = np.float32(level) + rng.uniform(0, 0.35) * film
    if rng.random() < 0.5:  # thick walls around a thinner middle, or the other way round
        depth = np.clip(ndimage.gaussian_filter(mask, rng.uniform(2, 6) / spacing_mm) * 2 - 1, 0, 1)
        body = body * (1 + rng.uniform(-0.45, 0.3) * depth)
    if rng.random() < 0.15:  # bands, as of a grid or a moving tube
        x = np.arange(film.shape[1], dtype=np.float32) * spacing_mm
        body = body * (
            1 + rng.uniform(0.05, 0.35) * np.sin(2 * np.pi * x / rng.uniform(4, 30) + rng.uniform(0, 6))[None, :]
        )
    if rng.random() < 0.4:
        mask = ndimage.gaussian_filter(mask, rng.uniform(0.2, 0.8) / spacing_mm)
    if rng.random() < 0.2:
        grain = ndimage.gaussian_filter(rng.standard_normal(film.shape, dtype=np.float32), 0.6 / spacing_mm)
        body = body + rng.uniform(0.05, 0.2) * grain / max(float(grain.std()), 1e-6)
    film += mask * (body - film)


def _smooth_outline(points: np.ndarray, stiffness: float = 0.0) -> np.ndarray:
    """A closed smooth curve (80, 2) through points (N, 2)."""
    closed = np.concatenate([points, points[:1]])
    curve, _ = splprep(closed.T, s=stiffness, per=True)
    return np.stack(splev(np.linspace(0, 1, 80, endpoint=False), curve), axis=1)


def _frame(knee: _KneeFrame) -> tuple[float, float, float, float]:
    """Half width of the plateau, height of the plateau, of the condyles' lowest points, and the middle's x."""
    tibia, femur = knee.points[0:9], knee.points[9:16]
    half = float(tibia[8, 0] - tibia[0, 0]) / 2
    return half, float(tibia[[1, 7], 1].mean()), float(femur[[1, 5], 1].mean()), float(tibia[[0, 8], 0].mean())


def _total(knee: _KneeFrame, rng: np.random.Generator, hinge: bool) -> tuple[list[np.ndarray], list[np.ndarray]]:
    half, plateau, _, middle = _frame(knee)
    middle += rng.uniform(-2, 2)
    tray_top = plateau + rng.uniform(-1, 7)
    gap = rng.uniform(3, 13)
    low = tray_top - gap
    wide, tilt = half * rng.uniform(0.82, 1.05), rng.normal(0, 0.04)
    femur = _shield(middle, wide, low, rng)
    thick = rng.uniform(2.5, 6)
    tray_half = half * rng.uniform(0.85, 1.06)
    tray = np.array(
        [[middle - tray_half, tray_top], [middle + tray_half, tray_top], [middle + tray_half, tray_top + thick]]
        + [[middle - tray_half, tray_top + thick]]
    )
    below = _keel(middle, tray_half, tray_top + thick * 0.7, rng)
    metal = [femur, tray, *below]
    if rng.random() < 0.3:
        x = middle + rng.uniform(-3, 3)
        metal.append(_box(x, low - 4, rng.uniform(2, 6), tray_top + 1))
    if hinge or rng.random() < 0.06:
        length, w = rng.uniform(50, 160), rng.uniform(5, 9)
        metal.append(_taper(middle + rng.uniform(-3, 3), low - 20, w, low - 20 - length, w * rng.uniform(0.5, 1)))
        metal.append(
            _taper(middle + rng.uniform(-3, 3), tray_top, w, tray_top + rng.uniform(50, 150), w * rng.uniform(0.5, 1))
        )
        metal.append(_box(middle, low - 25, rng.uniform(8, 14), tray_top + 2))
    plastic = [
        np.array(
            [
                [middle - wide, low - 4],
                [middle + wide, low - 4],
                [middle + tray_half, tray_top],
                [middle - tray_half, tray_top],
            ]
        )
    ]
    turn = np.array([[np.cos(tilt), np.sin(tilt)], [-np.sin(tilt), np.cos(tilt)]])
    return plastic, [(p - (middle, low)) @ turn + (middle, low) for p in metal]


def _shield(middle: float, wide: float, low: float, rng: np.random.Generator) -> np.ndarray:
    """The femoral component from the front."""
    notch, depth = rng.uniform(5, 10), rng.choice([0.0, rng.uniform(3, 9), rng.uniform(9, 20)])
    lean = rng.uniform(-1, 1)
    shoulder_l, shoulder_r = rng.uniform(14, 34), rng.uniform(14, 34)
    peak, flange = rng.uniform(26, 54), rng.uniform(0.3, 0.7)
    peak_x = lean * 0.3 * wide
    outline = np.array(
        [
            [-wide * 0.97, -10],
            [-wide * 0.75, -1.0],
            [-wide * 0.45, rng.uniform(-1, 1)],
            [-notch, -depth * 0.6 - 1],
            [0, -depth - 1],
        ]
        + [[notch, -depth * 0.6 - 1], [wide * 0.45, rng.uniform(-1, 1)], [wide * 0.75, -1.0], [wide * 0.97, -10]]
        + [[wide * rng.uniform(0.8, 1.02), -shoulder_r], [peak_x + flange * wide, -max(shoulder_r, peak * 0.8)]]
        + [[peak_x, -max(peak, depth + 8)], [peak_x - flange * wide, -max(shoulder_l, peak * 0.8)]]
        + [[-wide * rng.uniform(0.8, 1.02), -shoulder_l]]
    )
    return _smooth_outline(outline, rng.uniform(0, 8)) + (middle, low)


def _box(x: float, top: float, half: float, bottom: float) -> np.ndarray:
    return np.array([[x - half, top], [x + half, top], [x + half, bottom], [x - half, bottom]])


def _taper(x: float, y0: float, half0: float, y1: float, half1: float) -> np.ndarray:
    return np.array([[x - half0, y0], [x + half0, y0], [x + half1, y1], [x - half1, y1]])


def _keel(middle: float, half: float, top: float, rng: np.random.Generator) -> list[np.ndarray]:
    shapes = []
    what = rng.integers(5)
    length = rng.uniform(18, 55)
    if what in (0, 1, 4):
        shapes.append(_taper(middle, top, rng.uniform(5, 9), top + length, rng.uniform(1.5, 6)))
    if what in (1, 2):
        shapes.append(
            np.array(
                [
                    [middle - half * rng.uniform(0.3, 0.7), top],
                    [middle + half * rng.uniform(0.3, 0.7), top],
                    [middle, top + length * rng.uniform(0.5, 1)],
                ]
            )
        )
    if what in (3, 4):
        for x in rng.uniform(0.3, 0.8, 2) * half * np.array([-1, 1]):
            shapes.append(_box(middle + x, top, rng.uniform(1.5, 3.5), top + rng.uniform(6, 16)))
    if what == 3:
        shapes.append(_taper(middle, top, rng.uniform(3, 6), top + rng.uniform(10, 30), rng.uniform(2, 4)))
    if rng.random() < 0.15:
        for x in rng.uniform(0.3, 0.8, 2) * half * np.array([-1, 1]):
            shapes.append(_taper(middle + x, top, 2.5, top + rng.uniform(20, 40), 1.5))
    return shapes


def _partial(knee: _KneeFrame, rng: np.random.Generator) -> tuple[list[np.ndarray], list[np.ndarray]]:
    half, plateau, condyle, middle = _frame(knee)
    side = 1 if rng.random() < 0.8 else -1  # the medial compartment in most
    x = middle + side * half * rng.uniform(0.5, 0.66)
    wide = half * rng.uniform(0.22, 0.38)
    tray_top = plateau + rng.uniform(-2, 5)
    low = min(tray_top - rng.uniform(2, 8), condyle + 4)
    high = rng.uniform(14, 42)
    lean = rng.uniform(-4, 4)
    if rng.random() < 0.35:  # a box with rounded shoulders, perhaps with a lip
        cap = np.array(
            [[-wide, -3], [-wide * 0.6, 0], [wide * 0.6, 0], [wide, -3], [wide, -high + 5], [wide * 0.6, -high]]
        )
        cap = np.concatenate([cap, [[-wide * 0.6, -high], [-wide, -high + 5]]])
        lip = _box(x + side * wide * 0.7, low - 8, wide * 0.6, low)
    else:
        lip = None
        cap = _round_cap(wide, high, lean)
    tray_half = half * rng.uniform(0.24, 0.4)
    thick = rng.uniform(2, 4)
    metal = [_smooth_outline(cap, rng.uniform(0, 12)) + (x, low), _box(x, tray_top, tray_half, tray_top + thick)]
    metal += [lip] if lip is not None and rng.random() < 0.6 else []
    for _ in range(int(rng.integers(0, 4))):
        peg = x + rng.uniform(-0.8, 0.8) * tray_half
        metal.append(_box(peg, tray_top + thick * 0.5, rng.uniform(1, 2.5), tray_top + rng.uniform(5, 14)))
    if rng.random() < 0.4:
        wall = x - side * tray_half
        metal.append(_box(wall, tray_top - rng.uniform(0, 8), 1.2, tray_top + thick))
    plastic = [_box(x, low - 2, tray_half, tray_top)]
    return plastic, metal


def _round_cap(wide: float, high: float, lean: float) -> np.ndarray:
    lower = [[-wide, -5], [-wide * 0.5, 0], [wide * 0.5, 0], [wide, -5], [wide * 0.9 + lean, -high * 0.7]]
    return np.array(
        [*lower, [wide * 0.3 + lean, -high], [-wide * 0.4 + lean, -high], [-wide * 0.95 + lean, -high * 0.65]]
    )
