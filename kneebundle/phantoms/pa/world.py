"""Whole films of the knee as hospitals have them: one or two knees, of any size, with all that lies on them.

Beyond ``bilateral``: single knees anywhere on wide cassettes, tall films, calibration balls, rulers, cables, clothing,
casts, rods, realistic knee replacements, overexposure and equalised looks.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from kneebundle.phantoms.artefacts import add_markers, collimate
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
from kneebundle.phantoms.pa.clutter import add_ball, add_cable, add_cast, add_cloth, add_rod, add_ruler
from kneebundle.phantoms.pa.implants import add_implants
from kneebundle.phantoms.pa.replacements import add_replacement
from kneebundle.transforms.equalize import equalize_region
from kneebundle.transforms.grid_size import count_pixels

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
    shape = count_pixels((height, width), (spacing_mm, spacing_mm), "the film")
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
        (add_cloth, 0.15),
        (add_cast, 0.06),
        (add_ball, 0.3),
        (add_cable, 0.1),
        (add_rod, 0.08),
        (add_ruler, 0.18),
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
        film = equalize_region(torch.from_numpy(film)[None], spacing_mm, clip_limit=0.03)[0].numpy()
    if rng.random() < inverted:
        film = film.max() - film
    found = tuple(WorldKnee(side, kinds[side], points[side]) for side in points)
    return WorldFilm(film.astype(np.float32), spacing_mm, found)


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
