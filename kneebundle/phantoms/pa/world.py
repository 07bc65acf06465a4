"""Whole films of the knee as hospitals have them: one or two knees, of any size, with all that lies on them.

Beyond ``bilateral``: single knees anywhere on wide cassettes, tall films, calibration balls, rulers, cables, clothing,
casts, rods, realistic knee replacements, overexposure and equalised looks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from kneebundle.phantoms.artefacts import add_markers, collimate, draw_text
from kneebundle.phantoms.exposure import expose
from kneebundle.phantoms.pa.bilateral import (
    KneeImage,
    _as_side,
    _leg,
    _overlay,
    _place,
    _Placement,
    _points_mm,
)
from kneebundle.phantoms.pa.implants import add_implants
from kneebundle.phantoms.pa.replacements import add_replacement

__all__ = ["WorldFilm", "WorldKnee", "make_world_film"]


class WorldKnee(NamedTuple):
    """A knee of a made film: side, ``native`` or ``implant``, (16, 2) landmarks in pixels of the film."""

    side: str
    kind: str
    landmarks_px: np.ndarray


class WorldFilm(NamedTuple):
    """(rows, columns) float32 grey values in about 0..1, bone bright unless inverted; mm of a pixel; its knees."""

    pixels: np.ndarray
    spacing_mm: float
    knees: tuple[WorldKnee, ...]


def make_world_film(
    right: KneeImage | None,
    left: KneeImage | None,
    rng: np.random.Generator,
    *,
    spacing_mm: float = 1.0,
    replaced: float = 0.15,
    inverted: float = 0.04,
    equalized: float = 0.15,
    clutter: float = 1.0,
) -> WorldFilm:
    """Make a film of one or two knees.

    Args:
        right, left: the knees; None for one that is not on the film.
        rng: draws everything.
        spacing_mm: pixel size of the film.
        replaced: chance that a knee is replaced.
        inverted: chance that bone is dark.
        equalized: chance of a local equalisation of the whole film.
        clutter: factor on the chances of everything that lies on the film.
    """
    knees = {"R": _as_side(right, "R"), "L": _as_side(left, "L")}
    both = all(knee is not None for knee in knees.values())
    width, height = _size(both, rng)
    shape = (int(round(height / spacing_mm)), int(round(width / spacing_mm)))
    placements, gap = _place(knees, width, height, rng) if both else _place_one(width, height, rng)
    film = np.zeros(shape, dtype=np.float32)
    points: dict[str, np.ndarray] = {}
    for side in ("R", "L"):
        knee = knees[side]
        if knee is None:
            continue
        placement = placements[side]
        if not both:
            placement = _Placement(
                _points_mm(knee)[4], placement.center_mm, placement.magnification, placement.angle_deg
            )
        points[side] = placement.to_film(_points_mm(knee)) / spacing_mm
        film = _overlay(film, *_leg(knee, placement, shape, spacing_mm, gap, rng))
    kinds = {side: _metal(film, landmarks, spacing_mm, replaced, clutter, rng) for side, landmarks in points.items()}
    every = list(points.values())
    for add, chance in (
        (_add_cloth, 0.15),
        (_add_cast, 0.06),
        (_add_ball, 0.3),
        (_add_cable, 0.1),
        (_add_rod, 0.08),
        (_add_ruler, 0.18),
    ):
        if rng.random() < chance * clutter:
            add(film, every, spacing_mm, rng)
    film = expose(film, spacing_mm, rng)
    if rng.random() < 0.12 * clutter:
        film = np.clip(film * rng.uniform(1.2, 1.9), 0, 1)
    film = collimate(film, spacing_mm, [p[4] for p in every], rng)
    film = add_markers(film, spacing_mm, every, rng)
    film = np.clip(film, 0, 1)
    if rng.random() < equalized:
        film = equalize(film, spacing_mm)
    if rng.random() < inverted:
        film = film.max() - film
    found = tuple(WorldKnee(side, kinds[side], points[side]) for side in points)
    return WorldFilm(film.astype(np.float32), spacing_mm, found)


def equalize(film: np.ndarray, spacing_mm: float, kernel_mm: float = 12.3, clip_limit: float = 0.03) -> np.ndarray:
    """CLAHE of a film in 0..1, with a neighbourhood in mm."""
    from skimage.exposure import equalize_adapthist

    return np.asarray(equalize_adapthist(film, max(4, round(kernel_mm / spacing_mm)), clip_limit), dtype=np.float32)


def _size(both: bool, rng: np.random.Generator) -> tuple[float, float]:
    """Width and height in mm."""
    if both:
        return rng.uniform(290, 450), rng.uniform(240, 430) if rng.random() < 0.8 else rng.uniform(430, 800)
    if rng.random() < 0.35:
        return rng.uniform(140, 240), rng.uniform(190, 430)
    return rng.uniform(240, 440), rng.uniform(220, 430) if rng.random() < 0.85 else rng.uniform(430, 700)


def _place_one(width: float, height: float, rng: np.random.Generator) -> tuple[dict[str, _Placement], float]:
    edge = min(60.0, width / 2 - 5)
    x = (
        rng.uniform(edge, width - edge)
        if rng.random() < 0.5
        else float(np.clip(rng.normal(width / 2, 25), edge, width - edge))
    )
    y = float(np.clip(rng.normal(height / 2, height / 8), 80, height - 80))
    center = np.array([x, y])
    size = float(rng.uniform(0.84, 1.2))
    place = _Placement(np.zeros(2), center, size, float(np.clip(rng.normal(0, 4), -10, 10)))
    return {"R": place, "L": place}, 400.0


def _metal(
    film: np.ndarray, landmarks: np.ndarray, spacing: float, replaced: float, clutter: float, rng: np.random.Generator
) -> str:
    if rng.random() < replaced:
        kind = rng.choice(["total", "partial", "hinge"], p=[0.58, 0.32, 0.1])
        add_replacement(film, landmarks, spacing, kind, rng)
        return "implant"
    # plates, nails, screws and staples leave the joint as it is; a whole replacement as `implants` draws it is one, too
    names = add_implants(film, landmarks, spacing, 0.12 * clutter, rng)
    return "implant" if "knee replacement" in names else "native"


def _grid(film: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.arange(film.shape[1], dtype=np.float32)[None, :], np.arange(film.shape[0], dtype=np.float32)[:, None]


def _add_ball(film: np.ndarray, knees: Sequence[np.ndarray], spacing: float, rng: np.random.Generator) -> None:
    """A metal ball, perhaps on a stem, beside a knee: never on its landmarks, often touching the leg."""
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


def _add_ruler(film: np.ndarray, knees: Sequence[np.ndarray], spacing: float, rng: np.random.Generator) -> None:
    """A bright strip with ticks and numbers along the film's edge, or ticks alone."""
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


def _add_cable(film: np.ndarray, knees: Sequence[np.ndarray], spacing: float, rng: np.random.Generator) -> None:
    x, y = _grid(film)
    level, thick = rng.uniform(0.8, 2.0), rng.uniform(0.8, 2.5) / spacing
    middle, lean = rng.uniform(0, film.shape[1]), rng.normal(0, 0.3)
    wave, period, phase = rng.uniform(3, 25) / spacing, rng.uniform(60, 200) / spacing, rng.uniform(0, 6)
    path = middle + lean * (y - film.shape[0] / 2) + wave * np.sin(2 * np.pi * y / period + phase)
    film += np.clip(thick - np.abs(x - path), 0, 1) * (level - film) * rng.uniform(0.4, 1)


def _add_rod(film: np.ndarray, knees: Sequence[np.ndarray], spacing: float, rng: np.random.Generator) -> None:
    """A straight bright rod or splint beside a leg."""
    x, y = _grid(film)
    landmarks = knees[int(rng.integers(len(knees)))]
    away = (landmarks[:, 0].max() - landmarks[:, 0].min()) / 2 + rng.uniform(12, 60) / spacing
    path = landmarks[4, 0] + rng.choice([-1, 1]) * away + rng.normal(0, 0.05) * (y - landmarks[4, 1])
    thick = rng.uniform(1, 5) / spacing
    film += np.clip(thick - np.abs(x - path), 0, 1) * (rng.uniform(0.8, 2.2) - film)


def _add_cloth(film: np.ndarray, knees: Sequence[np.ndarray], spacing: float, rng: np.random.Generator) -> None:
    """Folds of trousers or a sheet: bright wavy lines and a denser part above or below."""
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


def _add_cast(film: np.ndarray, knees: Sequence[np.ndarray], spacing: float, rng: np.random.Generator) -> None:
    """A plaster around a leg: a veil with mottles, denser at its outline."""
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
