"""What lies on a radiograph beside the knees: calibration balls, rulers, cables, rods, clothing, casts.

Each draws in place: on a film (rows, columns) float32 of thickness, air 0 and bone about 1, around the landmarks of
its knees, each (16, 2) in pixels, with the size of a pixel in mm.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from kneebundle.phantoms.artefacts import draw_text

__all__ = ["add_ball", "add_cable", "add_cast", "add_cloth", "add_rod", "add_ruler"]


def _grid(film: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.arange(film.shape[1], dtype=np.float32)[None, :], np.arange(film.shape[0], dtype=np.float32)[:, None]


def add_ball(film: np.ndarray, knees: Sequence[np.ndarray], spacing: float, rng: np.random.Generator) -> None:
    """Draw a metal ball, perhaps on a stem, beside a knee: never on its landmarks, often touching the leg."""
    x, y = _grid(film)
    landmarks = knees[int(rng.integers(len(knees)))]
    radius = rng.uniform(9, 19) / spacing
    for _ in range(20):
        away = (landmarks[:, 0].max() - landmarks[:, 0].min()) / 2 + radius + rng.exponential(22) / spacing
        cx = landmarks[4, 0] + float(rng.choice([-1, 1])) * away
        cy = landmarks[4, 1] + rng.normal(0, 45) / spacing
        clear = all(np.hypot(p[:, 0] - cx, p[:, 1] - cy).min() > radius + 2 / spacing for p in knees)
        if clear and -radius * 0.5 < cx < film.shape[1] + radius * 0.5 and 0 < cy < film.shape[0]:
            break
    else:
        return
    level = rng.uniform(1.2, 2.8)
    distance = np.sqrt((x - cx) ** 2 + (y - cy) ** 2)
    mask = np.clip(radius - distance + 0.5, 0, 1)
    if rng.random() < 0.5:
        angle = rng.uniform(0, 2 * np.pi)
        along = (x - cx) * np.cos(angle) + (y - cy) * np.sin(angle)
        across = np.abs(-(x - cx) * np.sin(angle) + (y - cy) * np.cos(angle))
        stem = (along > 0) & (along < radius * rng.uniform(1.3, 2.0)) & (across < radius * rng.uniform(0.3, 0.6))
        mask = np.maximum(mask, stem.astype(np.float32))
    if rng.random() < 0.25:
        mask = mask * np.clip(0.75 + 0.25 * distance / radius, 0, 1)
    film += mask * (level - film)


def add_ruler(film: np.ndarray, knees: Sequence[np.ndarray], spacing: float, rng: np.random.Generator) -> None:
    """Draw a bright strip with ticks and numbers along the film's edge, or ticks alone."""
    every = np.concatenate(knees)
    left = bool(rng.random() < 0.5)
    room = every[:, 0].min() if left else film.shape[1] - every[:, 0].max()
    width = int(min(rng.uniform(6, 28) / spacing, room - 6 / spacing))
    if width < 3:
        return
    level = rng.uniform(0.7, 2.0)
    strip = film[:, :width] if left else film[:, film.shape[1] - width :]
    if rng.random() < 0.6:
        strip[:] = strip * 0.3 + level * 0.7
        level = float(rng.choice([0.0, 2.4]))
    step = 10 / spacing
    for i, at in enumerate(np.arange(rng.uniform(0, step), film.shape[0], step)):
        length = width * (0.7 if i % 5 == 0 else 0.35)
        row = slice(int(at), int(at) + max(1, round(1 / spacing)))
        strip[row, : int(length)] = level
        if i % 10 == 0 and width > 10:
            mask = draw_text(str(int(rng.integers(10))), max(6, int(9 / spacing)))
            bottom = int(at) + 2 + mask.shape[0]
            if bottom < film.shape[0] and mask.shape[1] < width:
                window = strip[int(at) + 2 : bottom, -mask.shape[1] :]
                window += mask * (level - window)


def add_cable(film: np.ndarray, knees: Sequence[np.ndarray], spacing: float, rng: np.random.Generator) -> None:
    """Draw a wavy cable or tube across the film."""
    x, y = _grid(film)
    level, thick = rng.uniform(0.8, 2.0), rng.uniform(0.8, 2.5) / spacing
    middle, lean = rng.uniform(0, film.shape[1]), rng.normal(0, 0.3)
    wave, period, phase = rng.uniform(3, 25) / spacing, rng.uniform(60, 200) / spacing, rng.uniform(0, 6)
    path = middle + lean * (y - film.shape[0] / 2) + wave * np.sin(2 * np.pi * y / period + phase)
    film += np.clip(thick - np.abs(x - path), 0, 1) * (level - film) * rng.uniform(0.4, 1)


def add_rod(film: np.ndarray, knees: Sequence[np.ndarray], spacing: float, rng: np.random.Generator) -> None:
    """Draw a straight bright rod or splint beside a leg."""
    x, y = _grid(film)
    landmarks = knees[int(rng.integers(len(knees)))]
    away = (landmarks[:, 0].max() - landmarks[:, 0].min()) / 2 + rng.uniform(12, 60) / spacing
    path = landmarks[4, 0] + rng.choice([-1, 1]) * away + rng.normal(0, 0.05) * (y - landmarks[4, 1])
    thick = rng.uniform(1, 5) / spacing
    film += np.clip(thick - np.abs(x - path), 0, 1) * (rng.uniform(0.8, 2.2) - film)


def add_cloth(film: np.ndarray, knees: Sequence[np.ndarray], spacing: float, rng: np.random.Generator) -> None:
    """Draw folds of trousers or a sheet: bright wavy lines and a denser part above or below."""
    x, y = _grid(film)
    for _ in range(int(rng.integers(2, 7))):
        slope, at = rng.normal(0, 0.35), rng.uniform(0, film.shape[0])
        path = (
            at
            + slope * (x - film.shape[1] / 2)
            + rng.uniform(2, 12) / spacing * np.sin(x * spacing / rng.uniform(15, 60) + rng.uniform(0, 6))
        )
        film += np.exp(-(((y - path) * spacing / rng.uniform(1, 5)) ** 2)).astype(np.float32) * rng.uniform(0.05, 0.3)
    if rng.random() < 0.5:
        edge = rng.uniform(0, film.shape[0])
        film += (1 / (1 + np.exp(-(y - edge) * spacing * rng.choice([-1, 1]) / 2))).astype(np.float32) * rng.uniform(
            0.05, 0.35
        )
    if rng.random() < 0.3:
        for _ in range(int(rng.integers(1, 5))):
            bx, by, r = rng.uniform(0, film.shape[1]), rng.uniform(0, film.shape[0]), rng.uniform(2, 8) / spacing
            film += np.clip(r - np.hypot(x - bx, y - by), 0, 1).astype(np.float32) * rng.uniform(0.3, 1.2)


def add_cast(film: np.ndarray, knees: Sequence[np.ndarray], spacing: float, rng: np.random.Generator) -> None:
    """Draw a plaster around a leg: a veil with mottles, denser at its outline."""
    x, y = _grid(film)
    landmarks = knees[int(rng.integers(len(knees)))]
    half = rng.uniform(60, 95) / spacing
    inside = np.clip((half - np.abs(x - landmarks[4, 0] - rng.normal(0, 6) / spacing)) * spacing / 3, 0, 1)
    edge = np.exp(-(((np.abs(x - landmarks[4, 0]) - half + 5 / spacing) * spacing / 4) ** 2))
    mottle = ndimage.gaussian_filter(rng.standard_normal(film.shape, dtype=np.float32), 4 / spacing)
    mottle = mottle / max(float(mottle.std()), 1e-6)
    part = 1 / (1 + np.exp(-(y - rng.uniform(0, film.shape[0])) * spacing * rng.choice([-1, 1]) / 3))
    film += (part * (inside * (rng.uniform(0.1, 0.4) + 0.04 * mottle) + edge * rng.uniform(0.2, 0.6))).astype(
        np.float32
    )
