"""Metal in a leg: a knee replacement, a plate with screws on a shaft, a nail, skin staples."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw
from scipy.interpolate import PchipInterpolator

__all__ = ["add_implants"]

_OVERSAMPLING = 3


def add_implants(
    film: np.ndarray, landmarks_px: np.ndarray, spacing_mm: float, chance: float, rng: np.random.Generator
) -> tuple[str, ...]:
    """Perhaps add metal to one leg of a film, in place.

    Args:
        film: (rows, columns) float32 thickness, bone about 1.
        landmarks_px: (16, 2) the leg's knee landmarks on the film.
        spacing_mm: pixel size of the film.
        chance: that there is any metal.
        rng: draws what there is.

    Returns:
        Names of what was added.
    """
    if rng.random() >= chance:
        return ()
    kinds = {
        "knee replacement": _knee_replacement,
        "plate": _plate,
        "nail": _nail,
        "staples": _staples,
        "screws": _screws,
    }
    name = str(rng.choice(list(kinds), p=[0.4, 0.18, 0.12, 0.12, 0.18]))
    shapes = kinds[name](_KneeFrame(landmarks_px, spacing_mm), rng)
    mask = _draw(film.shape, shapes)
    film += mask * (rng.uniform(1.3, 2.2) - film)
    return (name,)


class _KneeFrame:
    """mm beside a knee: x from lateral to medial, y downwards, origin at the tibial centre."""

    def __init__(self, landmarks_px: np.ndarray, spacing_mm: float) -> None:
        across = landmarks_px[8] - landmarks_px[0]
        across = across / np.linalg.norm(across)
        down = np.array([-across[1], across[0]])
        if down[1] < 0:
            down = -down
        self.origin, self.axes = landmarks_px[4], np.stack([across, down]) / spacing_mm
        self.points = (landmarks_px - self.origin) @ np.linalg.inv(self.axes)

    def px(self, points_mm: np.ndarray) -> np.ndarray:
        return np.asarray(points_mm, dtype=np.float64) @ self.axes + self.origin


def _draw(shape: tuple[int, ...], polygons: list[np.ndarray]) -> np.ndarray:
    """Coverage in [0, 1] of polygons (n, 2) in pixels."""
    mask = np.zeros(shape, dtype=np.float32)
    if not polygons:
        return mask
    every = np.concatenate(polygons)
    left, top = np.maximum(np.floor(every.min(axis=0)).astype(int) - 2, 0)
    right, bottom = np.minimum(np.ceil(every.max(axis=0)).astype(int) + 3, (shape[1], shape[0]))
    if right <= left or bottom <= top:
        return mask
    fine = Image.new("L", ((right - left) * _OVERSAMPLING, (bottom - top) * _OVERSAMPLING), 0)
    pen = ImageDraw.Draw(fine)
    for polygon in polygons:
        moved = (polygon - (left, top) + 0.5) * _OVERSAMPLING - 0.5
        pen.polygon([(float(x), float(y)) for x, y in moved], fill=255)
    small = fine.resize((right - left, bottom - top), Image.Resampling.BOX)
    mask[top:bottom, left:right] = np.asarray(small, dtype=np.float32) / 255.0
    return mask


def _bar(start: np.ndarray, end: np.ndarray, width: float) -> np.ndarray:
    """A rectangle around a line, with slightly narrowed ends, as a polygon in mm."""
    along = (end - start) / max(float(np.linalg.norm(end - start)), 1e-6)
    side = np.array([-along[1], along[0]]) * width / 2
    inner = along * width / 3
    return np.array(
        [start + side * 0.6, start + inner + side, end - inner + side, end + side * 0.6]
        + [end - side * 0.6, end - inner - side, start + inner - side, start - side * 0.6]
    )


def _knee_replacement(knee: _KneeFrame, rng: np.random.Generator) -> list[np.ndarray]:
    femur, tibia = knee.points[9:16], knee.points[0:9]
    shield = _femoral_shield(femur, rng)
    level, tray = float(tibia[[1, 7], 1].mean()) + rng.uniform(1, 5), rng.uniform(3, 5)
    left, right = float(tibia[0, 0]) + rng.uniform(0, 4), float(tibia[8, 0]) - rng.uniform(0, 4)
    plate = np.array([[left, level], [right, level], [right, level + tray], [left, level + tray]])
    middle, length = (left + right) / 2, rng.uniform(25, 75)
    half, tip = rng.uniform(5, 9), rng.uniform(3, 5)
    stem = np.array(
        [[middle - half, level], [middle + half, level], [middle + tip, level + length], [middle - tip, level + length]]
    )
    wing = rng.uniform(8, 20)
    keel = np.array([[middle - wing, level], [middle + wing, level], [middle, level + length * 0.6]])
    return [knee.px(p) for p in (shield, plate, stem, keel)]


def _femoral_shield(femur: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The femoral component: below, the condyles with a shallow notch; above, a gentle arch with round shoulders."""
    x = np.linspace(femur[0, 0], femur[6, 0], 41)
    lower = (
        PchipInterpolator(femur[:, 0], femur[:, 1])(x) if (np.diff(femur[:, 0]) > 0).all() else np.full(41, femur[1, 1])
    )
    level = float(femur[[1, 5], 1].mean())
    lower = level + (lower - level) * rng.uniform(0.3, 0.8)
    across = np.linspace(-1, 1, 41)
    upper = level - rng.uniform(16, 32) * (1 - np.abs(across) ** 6) ** 0.5 + rng.uniform(-4, 8) * across**2 - 4
    return np.concatenate([np.stack([x, lower], axis=1), np.stack([x, np.minimum(upper, lower)], axis=1)[::-1]])


def _plate(knee: _KneeFrame, rng: np.random.Generator) -> list[np.ndarray]:
    down = rng.choice([-1, 1])
    side, width = rng.choice([-1, 1]), rng.uniform(3, 6)
    start = np.array([side * rng.uniform(24, 34), down * rng.uniform(25, 45)])
    end = np.array([side * rng.uniform(15, 24), down * rng.uniform(95, 160)])
    shapes = [_bar(start, end, width)]
    for t in np.linspace(0.08, 0.92, int(rng.integers(4, 9))):
        head = start + t * (end - start)
        length = rng.uniform(22, 45) * -side
        shapes.append(_bar(head, head + np.array([length, rng.uniform(-3, 3)]), rng.uniform(2.5, 4.5)))
    return [knee.px(p) for p in shapes]


def _nail(knee: _KneeFrame, rng: np.random.Generator) -> list[np.ndarray]:
    down = rng.choice([-1, 1])
    start = np.array([rng.uniform(-5, 5), down * rng.uniform(18, 40)])
    end = start + np.array([rng.uniform(-12, 12), down * 250.0])
    shapes = [_bar(start, end, rng.uniform(8, 12))]
    for offset in rng.uniform(8, 40, int(rng.integers(1, 4))):
        across = start + np.array([0, down * offset])
        shapes.append(_bar(across - (rng.uniform(15, 28), 2), across + (rng.uniform(15, 28), 2), rng.uniform(3, 5)))
    return [knee.px(p) for p in shapes]


def _screws(knee: _KneeFrame, rng: np.random.Generator) -> list[np.ndarray]:
    shapes = []
    for _ in range(int(rng.integers(1, 4))):
        start = rng.uniform((-30, -45), (30, 45))
        angle, length = rng.uniform(0, 2 * np.pi), rng.uniform(18, 45)
        end = start + length * np.array([np.cos(angle), np.sin(angle)])
        shapes += [_bar(start, end, rng.uniform(3, 6)), _bar(start, start + (end - start) * 0.1, rng.uniform(6, 9))]
    return [knee.px(p) for p in shapes]


def _staples(knee: _KneeFrame, rng: np.random.Generator) -> list[np.ndarray]:
    shapes = []
    line, lean = rng.uniform(-12, 12), rng.uniform(-0.15, 0.15)
    for y in np.arange(rng.uniform(-75, -40), rng.uniform(30, 70), rng.uniform(6, 11)):
        center, half = np.array([line + lean * y, y]), np.array([rng.uniform(2.5, 4), rng.uniform(-0.6, 0.6)])
        shapes.append(_bar(center - half, center + half, 0.9))
        shapes += [_bar(center + s * half, center + s * half + (0, 2.5), 0.8) for s in (-1, 1)]
    return [knee.px(p) for p in shapes]
