"""What the bones of a PA knee take from the beam: thickness by the distance to outlines, the femur's body being 1."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from kneebundle.phantoms.pa.fields import Grid, measure_signed_distance
from kneebundle.phantoms.pa.outlines import (
    EDGE_OFFSET_MM,
    Outline,
    draw_ellipse_outline,
    draw_femur_outline,
    draw_fibula_outline,
    draw_tibia_outline,
)

__all__ = ["KneeBones", "compute_bone_attenuation", "draw_bones"]

_COARSE_MM = 0.6
_REACH_MM = 14.0

# Along the control points of the outlines, lateral top (femur) or bottom (tibia) to medial: shaft and flare (10 or 9),
# lip (2), landmarks (7 or 9), lip (2), flare and shaft. Cortex: thickness in mm. Shell: its brightness. Plate: the
# subchondral bone.
# fmt: off
_FEMUR_CORTEX = [6, 6, 5.5, 5, 4, 2.6, 1.6, 1.3, 1.2, 1.0] + [0.7] * 11 + [1.0, 1.2, 1.4, 1.8, 2.8, 4, 5, 5.5, 6, 6]
_FEMUR_SHELL = [0.9, 0.9, 0.9, 0.9, 0.8, 0.65, 0.5, 0.45, 0.5, 0.4, 0.35, 0.35, 0.25, 0.3, 0.3, 0.2, 0.3, 0.3, 0.25]
_FEMUR_SHELL += [0.35, 0.35, 0.4, 0.5, 0.55, 0.55, 0.65, 0.8, 0.9, 0.9, 0.9, 0.9]
_FEMUR_PLATE = [0.0] * 12 + [0.0, 0.08, 0.05, 0.0, 0.05, 0.12, 0.0] + [0.0] * 12
_TIBIA_CORTEX = [6, 6, 5.5, 4.8, 3.6, 2.4, 1.6, 1.1, 0.9] + [0.7] * 13 + [0.9, 1.1, 1.6, 2.4, 3.6, 4.8, 5.5, 6, 6]
_TIBIA_SHELL = [0.9, 0.9, 0.9, 0.9, 0.8, 0.7, 0.55, 0.4, 0.35, 0.3, 0.25, 0.2, 0.5, 0.4, 0.15, 0.1, 0.15, 0.4, 0.5]
_TIBIA_SHELL += [0.2, 0.25, 0.3, 0.35, 0.4, 0.55, 0.7, 0.8, 0.9, 0.9, 0.9, 0.9]
_TIBIA_PLATE = [0.0] * 9 + [0.05, 0.1, 0.2, 0.75, 0.75, 0.15, 0.05, 0.2, 1.05, 1.0, 0.25, 0.1, 0.05] + [0.0] * 9


# Depth in mm at which the bone has its full thickness.
_FEMUR_ROUND = [11.0] * 6 + [14, 14, 14, 14, 13, 11, 7, 4, 5, 6, 5, 4, 7, 11, 13, 14, 14, 14, 14] + [11.0] * 6
_TIBIA_ROUND = [11.0] * 6 + [14, 14, 14, 12, 10, 8, 5, 7, 9, 10, 9, 7, 5, 8, 10, 12, 14, 14, 14] + [11.0] * 6
# How it gets there: 0.5 as in a rod, 1 smoothly.
_FEMUR_SOFT = [0.5] * 7 + [0.7, 0.8, 0.8, 0.8, 0.7, 0.6, 0.5, 0.6, 0.7, 0.6, 0.5, 0.6, 0.7, 0.8, 0.8, 0.8, 0.7]
_FEMUR_SOFT += [0.5] * 7
_TIBIA_SOFT = [0.5] * 6 + [0.6, 0.7, 0.7, 0.7, 0.7, 0.65, 0.5, 0.7, 0.9, 0.9, 0.9, 0.7, 0.5, 0.65]
_TIBIA_SOFT += [0.7, 0.7, 0.7, 0.7, 0.6] + [0.5] * 6
# fmt: on


@dataclass(frozen=True)
class KneeBones:
    """The bones of one right knee, mm, landmark 4 at the origin.

    Attributes:
        landmarks: (16, 2).
        kl: Kellgren-Lawrence grade.
        femur, tibia, fibula, patella: their outlines.
    """

    landmarks: np.ndarray
    kl: int
    femur: Outline
    tibia: Outline
    fibula: Outline
    patella: Outline


def draw_bones(landmarks: np.ndarray, kl: int, rng: np.random.Generator) -> KneeBones:
    """Random bones of grade ``kl`` through the landmarks (16, 2) mm; osteophytes grow with the grade."""
    lips = rng.gamma(2.0, 0.5, 4) * np.array([0.1, 0.5, 1.1, 1.9, 2.9])[kl]
    lips = np.minimum(lips, 6.0)
    center = np.array([-6.0, -39.0]) + rng.normal(0, [5.0, 6.0])
    half_axes = (float(rng.normal(21.5, 1.5)), float(rng.normal(19.5, 2.0)))
    return KneeBones(
        landmarks=landmarks,
        kl=kl,
        femur=draw_femur_outline(landmarks, rng, (lips[0], lips[1])),
        tibia=draw_tibia_outline(landmarks, rng, (lips[2], lips[3])),
        fibula=draw_fibula_outline(landmarks, rng),
        patella=draw_ellipse_outline(center, half_axes, rng.uniform(2.0, 2.6), rng.normal(0, 0.2)),
    )


def _body(distance: np.ndarray, radius: np.ndarray | float, softness: np.ndarray | float = 0.5) -> np.ndarray:
    """Thickness, 0 outside to 1 at depth ``radius``; an elliptic rod for a softness of 0.5."""
    depth = 1.0 - np.clip(distance / radius, 0.0, 1.0)
    return (1.0 - depth * depth) ** softness


def _shell(distance: np.ndarray, cortex: np.ndarray | float, radius: float = 14.0) -> np.ndarray:
    """Path through the wall of a tube, 1 at its peak one wall's thickness inside the edge."""
    outer = np.clip(distance, 0.0, radius)
    inner = np.clip(distance - cortex, 0.0, radius)
    path = np.sqrt(outer * (2 * radius - outer)) - np.sqrt(inner * (2 * radius - inner))
    return path / np.sqrt(cortex * (2 * radius - cortex))


def _along(values: list[float], place: np.ndarray) -> np.ndarray:
    return np.interp(place, np.arange(len(values)), values).astype(np.float32)


def _blended(values: np.ndarray, grid: Grid, coarse: Grid) -> np.ndarray:
    """Values on the fine grid, smoothed so that no crease runs inwards from a corner of the bone."""
    return grid.resample(ndimage.gaussian_filter(values, 2.5 / coarse.step_mm, mode="nearest"), coarse)


def _fine_and_place(outline: Outline, grid: Grid) -> tuple[np.ndarray, np.ndarray, Grid]:
    coarse = grid.coarse(_COARSE_MM)
    distance, place = measure_signed_distance(outline, coarse, _REACH_MM)
    return grid.resample(distance, coarse), place, coarse


def compute_bone_attenuation(bones: KneeBones, grid: Grid, rng: np.random.Generator, texture: np.ndarray) -> np.ndarray:
    """Attenuation of all bones on the grid, (size, size) float32; about 1 in the middle of the condyles.

    Args:
        bones: what to draw.
        grid: where to.
        rng: for the strength of each part.
        texture: (size, size) relative trabecular thickness, mean 0.
    """
    x, y = grid.x[None, :], grid.y[:, None]
    strength = rng.uniform(0.7, 1.3, 8)
    sclerosis = np.array([0.85, 0.95, 1.05, 1.2, 1.35])[bones.kl]
    to_femur, femur = _femur(bones, grid, strength, texture)
    to_tibia, tibia = _tibia(bones, grid, strength, texture, sclerosis)
    femur *= _femur_inside(bones, x, y, rng)
    tibia *= _tibia_inside(bones, x, y, rng)
    patella, _, _ = _fine_and_place(bones.patella, grid)
    fibula, _, _ = _fine_and_place(bones.fibula, grid)
    total = femur + tibia + _far_rims(bones, x, y, rng)
    total += strength[4] * (0.30 * _body(patella, 12.0) * (1 + 0.7 * texture) + 0.10 * _shell(patella, 1.0))
    total += strength[5] * (0.30 * _body(fibula, 8.0) * (1 + 0.7 * texture) + 0.22 * _shell(fibula, 1.2))
    gap = np.exp(np.minimum(to_femur, 0) / 6.0 + np.minimum(to_tibia, 0) / 6.0) * _step(38 - np.abs(x), 6.0)
    total -= rng.uniform(0.2, 0.6) * gap * (to_femur < 0) * (to_tibia < 0)
    return total.astype(np.float32)


def _femur(bones: KneeBones, grid: Grid, strength: np.ndarray, texture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distance into the femur in mm, and its attenuation."""
    distance, place, coarse = _fine_and_place(bones.femur, grid)
    cortex = grid.resample(_along(_FEMUR_CORTEX, place), coarse)
    shell = grid.resample(_along(_FEMUR_SHELL, place), coarse)
    plate = grid.resample(_along(_FEMUR_PLATE, place), coarse)
    full_depth = _blended(_along(_FEMUR_ROUND, place), grid, coarse)
    softness = _blended(_along(_FEMUR_SOFT, place), grid, coarse)
    body = _body(distance, full_depth, softness) * (1 + texture)
    walls = strength[0] * shell * _shell(distance, cortex) + strength[1] * plate * _plate(distance, 2.5)
    return distance, body + walls


def _tibia(
    bones: KneeBones, grid: Grid, strength: np.ndarray, texture: np.ndarray, sclerosis: float
) -> tuple[np.ndarray, np.ndarray]:
    """Distance into the tibia in mm, and its attenuation."""
    distance, place, coarse = _fine_and_place(bones.tibia, grid)
    cortex = grid.resample(_along(_TIBIA_CORTEX, place), coarse)
    shell = grid.resample(_along(_TIBIA_SHELL, place), coarse)
    plate = grid.resample(_along(_TIBIA_PLATE, place), coarse)
    full_depth = _blended(_along(_TIBIA_ROUND, place), grid, coarse)
    softness = _blended(_along(_TIBIA_SOFT, place), grid, coarse)
    body = 0.9 * _body(distance, full_depth, softness) * (1 + 1.5 * texture)
    thin = 0.7 * _plate(distance, 1.5) + 0.55 * _plate(distance, 5.0)
    walls = strength[2] * shell * _shell(distance, cortex) + strength[3] * sclerosis * plate * thin
    return distance, body + walls


def _plate(distance: np.ndarray, depth: float) -> np.ndarray:
    """Bone under a joint surface that is seen along the surface: at once full, then fading over ``depth`` mm."""
    inside = np.maximum(distance, 0.0)
    return (1.0 - np.exp(-inside / 0.25)) * np.exp(-((inside / depth) ** 1.5))


def _blob(x: np.ndarray, y: np.ndarray, at: tuple[float, float], width: tuple[float, float]) -> np.ndarray:
    return np.exp(-0.5 * ((x - at[0]) / width[0]) ** 2) * np.exp(-0.5 * ((y - at[1]) / width[1]) ** 2)


def _wave(length: np.ndarray, rng: np.random.Generator, size_mm: float, wave_mm: float) -> np.ndarray:
    """A smooth random curve over ``length`` mm (sorted), standard deviation ``size_mm``."""
    step = float(abs(length[1] - length[0]))
    noise = ndimage.gaussian_filter1d(rng.standard_normal(len(length)), wave_mm / step)
    return (noise * size_mm / (noise.std() + 1e-9)).astype(np.float32)


def _femur_inside(bones: KneeBones, x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Factor on the femur: the notch with its walls, the growth plate's scar, denser condyles."""
    scale = float(np.ptp(bones.landmarks[9:, 0])) / 76.6
    roof = bones.landmarks[12]
    amount = rng.uniform(0.3, 1.3, 6)
    field = np.ones((y.shape[0], x.shape[1]), dtype=np.float32)
    top = roof[1] - rng.uniform(14, 22)
    in_notch = _step(y - top, 3.0) * _step(roof[1] + 4 - y, 3.0)
    left, right = roof[0] - 12.5 * scale, roof[0] + 13.0 * scale
    bend_left = left + _wave(y[:, 0], rng, 0.8, 8.0)[:, None]
    bend_right = right + _wave(y[:, 0], rng, 0.8, 8.0)[:, None]
    field -= 0.14 * amount[0] * in_notch * _step(x - left, 2.0) * _step(right - x, 2.0)
    wall = _step(y - top + 8, 4.0) * _step(roof[1] + 8 - y, 3.0)
    field += 0.32 * amount[1] * wall * np.exp(-0.5 * ((x - bend_right) / 0.9) ** 2)
    field += 0.16 * amount[2] * wall * np.exp(-0.5 * ((x - bend_left) / 1.1) ** 2)
    scar = (
        -28.0 * scale
        + rng.normal(0, 2)
        - 5.0 * np.cos(x / 14.0) * rng.uniform(0.2, 1.0)
        + _wave(x[0], rng, 1.0, 4.0)[None]
    )
    field += 0.13 * amount[3] * np.exp(-0.5 * ((y - scar) / 0.7) ** 2) * _step(np.abs(x - 2) - 8, 4.0)
    field += 0.10 * amount[4] * _blob(x, y, (25 * scale, -8), (9, 10)) + 0.12 * amount[5] * _blob(
        x, y, (-22 * scale, -14), (11, 16)
    )
    return field


def _tibia_inside(bones: KneeBones, x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Factor on the tibia: the eminence's streaks, the lucency under the medial plateau, the growth scar, the rims."""
    scale = float(np.ptp(bones.landmarks[:9, 0])) / 79.0
    amount = rng.uniform(0.3, 1.3, 6)
    field = np.ones((y.shape[0], x.shape[1]), dtype=np.float32)
    field += 0.45 * amount[0] * _blob(x, y, (1 * scale, 6.5), (8, 4))
    field -= 0.34 * amount[1] * _blob(x, y, (17 * scale, 17), (11, 4.5))
    field -= 0.14 * amount[1] * _blob(x, y, (-15 * scale, 16), (9, 4))
    slope = rng.uniform(-0.9, -0.3)
    streak = y - (10 + slope * (x - 1) + _wave(x[0], rng, 1.2, 3.0)[None])
    field += 0.30 * amount[2] * np.exp(-0.5 * (streak / 1.2) ** 2) * _blob(x, y, (0, 10), (7, 30))
    scar = 21.0 + rng.normal(0, 2) - 3.0 * np.cos(x / 12.0) * rng.uniform(0.2, 1.0) + _wave(x[0], rng, 0.7, 4.0)[None]
    field += 0.12 * amount[3] * np.exp(-0.5 * ((y - scar) / 0.7) ** 2) * _step(32 - np.abs(x), 5.0)
    return field + _rims(bones, x, y, rng)


def _rims(bones: KneeBones, x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The near or far rim of each plateau, seen as a second, thinner line below the joint surface."""
    field = np.zeros((y.shape[0], x.shape[1]), dtype=np.float32)
    tibia = bones.landmarks[:9]
    surface = np.interp(x[0], tibia[:, 0], tibia[:, 1])[None]
    for first, last in ((0, 2), (6, 8)):
        start, end = tibia[first, 0], tibia[last, 0]
        bow = np.clip(1 - ((x - (start + end) / 2) / ((end - start) / 2)) ** 2, 0, 1)
        line = surface + rng.uniform(0.5, 4.0) * bow
        field += rng.uniform(0.0, 0.35) * np.exp(-0.5 * ((y - line) / 0.5) ** 2) * np.sqrt(bow)
    return field


def _far_rims(bones: KneeBones, x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The thin edge of the plateau's back or front that stands out above the joint surface, most of all medially."""
    field = np.zeros((y.shape[0], x.shape[1]), dtype=np.float32)
    edge = (bones.landmarks + EDGE_OFFSET_MM)[:9]
    surface = np.interp(x[0], edge[:, 0], edge[:, 1])[None]
    for start, end, height in ((edge[0, 0], edge[2:4, 0].mean(), 1.5), (edge[5:7, 0].mean(), edge[8, 0], 3.0)):
        bow = np.sqrt(np.clip(1 - ((x - (start + end) / 2) / ((end - start) / 2)) ** 2, 0, 1))
        over = surface - rng.uniform(0, height) * bow
        field += rng.uniform(0.1, 0.7) * bow * _step(y - over, 0.4) * _step(surface + 0.3 - y, 0.4)
    return field


def _step(distance: np.ndarray, width: float) -> np.ndarray:
    """0 to 1 over about ``width`` mm."""
    return 0.5 + 0.5 * np.tanh(distance / width)
