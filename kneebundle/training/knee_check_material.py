"""What the knee check learns from beside made radiographs: crops, replacements drawn onto knees, other body parts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy import ndimage

from kneebundle.io.finding import find_images
from kneebundle.io.reading import read_radiograph
from kneebundle.io.tables import number_rows, parse_number, read_table
from kneebundle.phantoms.hand.hand import draw_hand
from kneebundle.phantoms.lateral.collection import LateralKnees
from kneebundle.phantoms.pa.clutter import add_ball, add_cable, add_cloth, add_rod
from kneebundle.phantoms.pa.implants import add_implants
from kneebundle.phantoms.pa.replacements import add_replacement
from kneebundle.radiograph import Radiograph
from kneebundle.training.film_windows import TrainingFilm, make_training_film
from kneebundle.training.made_films import KneeImages

__all__ = ["draw_other_films", "list_crops", "read_other_films", "read_rough_knees", "replace_joints"]

_FINER = 2  # metal is drawn at half a millimetre
_REPLACED, _OTHER_METAL = 0.75, 0.5  # share of knees that are replaced; of the others, share with another implant
_CLUTTER = ((add_ball, 0.4), (add_cable, 0.1), (add_rod, 0.1), (add_cloth, 0.15))
_OTHER_SPACINGS_MM = (0.15, 0.25, 0.4)


def list_crops(knees: KneeImages) -> list[TrainingFilm]:
    """Take single knees as radiographs of one knee each."""
    films = []
    for image in (knees[i] for i in range(len(knees))):
        spacing = float(np.mean(image.spacing_mm))
        radiograph = Radiograph(np.asarray(image.pixels, dtype=np.float32), (spacing, spacing))
        films.append(make_training_film(radiograph, [(image.side, "native", np.asarray(image.landmarks_px))]))
    return films


def read_rough_knees(folder: Path) -> list[TrainingFilm]:
    """Read single knees without landmarks.

    Args:
        folder: with images/ and ``knees.csv``, a row a knee: image, side (R, L or empty), spacing_mm, and x_px, y_px of
            the joint where it is not in the middle of the image.

    Raises:
        KneeBundleError: if the table or an image cannot be used.
    """
    table = folder / "knees.csv"
    films = []
    for line, row in number_rows(read_table(table, ["image", "side", "spacing_mm"])):
        spacing = parse_number(row, "spacing_mm", line, table)
        radiograph = read_radiograph(folder / "images" / row["image"], spacing_mm=spacing)
        joint = np.array([radiograph.columns - 1, radiograph.rows - 1]) / 2
        if row.get("x_px"):
            joint = np.array([parse_number(row, name, line, table) for name in ("x_px", "y_px")])
        films.append(make_training_film(radiograph, [(row["side"] or "?", "rough", joint[None])]))
    return films


def replace_joints(films: Sequence[TrainingFilm], seed: int, replaced: float = _REPLACED) -> list[TrainingFilm]:
    """Draw knee replacements onto radiographs, and on other knees plates, screws and what lies beside knees.

    Args:
        films: those whose knees all have 16 landmarks are used.
        seed: another seed, other metal.
        replaced: share of the knees that are replaced.
    """
    known = [f for f in films if f.knees and all(len(k.points) == 16 and k.kind == "native" for k in f.knees)]
    return [_replace(film, replaced, np.random.default_rng((seed, i))) for i, film in enumerate(known)]


def _replace(film: TrainingFilm, replaced: float, rng: np.random.Generator) -> TrainingFilm:
    spacing = 1.0 / _FINER
    grey = ndimage.zoom(film.pixels.astype(np.float32), _FINER, order=1, mode="nearest", grid_mode=True)
    points = [(knee.points.astype(np.float64) + 0.5) * _FINER - 0.5 for knee in film.knees]
    thick = _to_thickness(grey, points[0], spacing)
    kinds = []
    for landmarks in points:
        metal: tuple[str, ...] | list[str] = ()
        if rng.random() < replaced:
            kind = ("total", "partial", "hinge")[int(rng.choice(3, p=[0.57, 0.34, 0.09]))]
            add_replacement(thick, landmarks, spacing, kind, rng)  # type: ignore[arg-type]
            metal = ("knee replacement",)
        elif rng.random() < _OTHER_METAL:
            metal = add_implants(thick, landmarks, spacing, 1.0, rng)
        kinds.append("implant" if "knee replacement" in metal else "native")
    for add, chance in _CLUTTER:
        if rng.random() < chance:
            add(thick, points, spacing, rng)
    thick = np.clip(thick, -0.2, rng.uniform(1.1, 2.4))
    thick = np.sign(thick) * np.abs(thick) ** rng.uniform(0.6, 1.4)
    rows, columns = film.pixels.shape
    coarse = thick.reshape(rows, _FINER, columns, _FINER).mean((1, 3))
    low, high = np.percentile(coarse, (0.1, 99.9))
    pixels = (np.clip((coarse - low) / max(float(high - low), 1e-6), 0, 1) * 254 + 1).astype(np.uint8)
    pixels[film.pixels == 0] = 0
    knees = (knee._replace(kind=kind) for knee, kind in zip(film.knees, kinds, strict=True))
    return TrainingFilm(pixels, tuple(knees))


def _to_thickness(grey: np.ndarray, landmarks: np.ndarray, spacing_mm: float) -> np.ndarray:
    """Scale grey values so that air is about 0 and the bone of the knee about 1."""
    left, top = np.maximum((landmarks.min(0) - 10 / spacing_mm).astype(int), 0)
    right, bottom = (landmarks.max(0) + 10 / spacing_mm).astype(int)
    air, bone = np.percentile(grey, 2), np.percentile(grey[top:bottom, left:right], 85)
    return np.asarray((grey - air) / max(float(bone - air), 1e-6), dtype=np.float32)


def read_other_films(folder: Path) -> list[TrainingFilm]:
    """Read radiographs without a knee, such as hands, each in several sizes: what joint it is, its size must not tell.

    Args:
        folder: with images of any kind, searched recursively; the size of their pixels does not count.

    Raises:
        KneeBundleError: if there is none, or one cannot be read.
    """
    films = []
    for path in find_images(folder):
        pixels = read_radiograph(path, spacing_mm=1.0).pixels
        films += [make_training_film(Radiograph(pixels, (spacing, spacing)), []) for spacing in _OTHER_SPACINGS_MM]
    return films


def draw_other_films(hands: int, laterals: int, seed: int) -> list[TrainingFilm]:
    """Draw hands, at about twice their size, and lateral knees."""
    films = []
    for i in range(hands):
        hand, _ = draw_hand(np.random.default_rng((seed, i)), 0.5)
        films.append(make_training_film(Radiograph(hand.pixels, (1.0, 1.0)), []))
    for knee in LateralKnees(laterals, seed):
        spacing = float(np.mean(knee.spacing_mm))
        films.append(make_training_film(Radiograph(knee.image.astype(np.float32), (spacing, spacing)), []))
    return films
