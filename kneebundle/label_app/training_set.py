"""Labelled films made into a data set that train.json of the landmark bundle reads."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kneebundle.datasets.knee_pictures import cut_around, landmark_columns, write_picture
from kneebundle.errors import KneeBundleError
from kneebundle.io.placement import read_placement
from kneebundle.io.tables import write_table
from kneebundle.label_app.films import FilmFacts, film_file
from kneebundle.label_app.labels import KneeLabel, label_spacing, parse_label, read_label
from kneebundle.transforms.resample import pixel_spacing

__all__ = ["LabelledFilm", "TrainingSet", "write_training_set"]

PICTURE_MM = 180.0
"""Edge of the square cut around a knee: the region that the network sees, with room to turn it."""


@dataclass(frozen=True)
class LabelledFilm:
    """A film of the datastore with its label: id, files, and what is known of it."""

    name: str
    image: Path
    label: Path
    facts: FilmFacts = FilmFacts()


@dataclass(frozen=True)
class TrainingSet:
    """A data set that was written.

    Attributes:
        folder: with images/, landmarks.csv and errors.csv.
        knees: how many.
        subjects: of how many people, as far as is known.
        refused: name and reason of the films that could not be used.
    """

    folder: Path
    knees: int
    subjects: int
    refused: tuple[tuple[str, str], ...]


def write_training_set(films: Sequence[LabelledFilm], folder: Path) -> TrainingSet:
    """Write ``images/<film>_<side>.png``, a picture a knee, and ``landmarks.csv``.

    The knees of a film share a subject, and so do the films whose facts name the same one. A film that cannot be used is left
    out, with its reason in ``errors.csv``.

    Args:
        films: with their labels.
        folder: made if it is not there.

    Raises:
        KneeBundleError: if there is no label, or none that can be used; then nothing is left in the folder.
    """
    if not films:
        raise KneeBundleError("there are no labels to train on; save corrected points with the tag final first")
    (folder / "images").mkdir(parents=True, exist_ok=True)
    rows: list[list[object]] = []
    refused: list[tuple[str, str]] = []
    for number, film in enumerate(films):
        try:
            rows += _write_film(film, number, folder)
        except KneeBundleError as error:
            refused.append((film.name, error.reason))
    if not rows:
        shutil.rmtree(folder)
        raise KneeBundleError(f"none of the {len(refused)} labels can be used; the first, {': '.join(refused[0])}")
    write_table(folder / "landmarks.csv", landmark_columns(), rows)
    write_table(folder / "errors.csv", ["path", "reason"], refused)
    return TrainingSet(folder, len(rows), len({row[1] for row in rows}), tuple(refused))


def _write_film(film: LabelledFilm, number: int, folder: Path) -> list[list[object]]:
    content = read_label(film.label)
    spacing = label_spacing(content)
    facts = film.facts.or_else(None if spacing is None else spacing[0])
    radiograph = facts.read(film.image)
    image = radiograph.to_metatensor()
    stored_spacing = radiograph.turn.pair(radiograph.spacing_mm)
    rows: list[list[object]] = []
    for knee in parse_label(content, read_placement(film_file(film.image), stored_spacing), film.label):
        points = radiograph.turn.points_to_displayed(knee.points_px, radiograph.rows, radiograph.columns)
        _check_inside(knee, points, radiograph.columns, radiograph.rows, film.label)
        points_mm = radiograph.px_to_mm(points)
        picture = cut_around(image, points_mm, PICTURE_MM)
        name = f"{number:05d}_{knee.side}.png"
        placed = write_picture(folder / "images" / name, picture, points_mm)
        spacing_mm = f"{pixel_spacing(picture)[0]:.6g}"
        subject = film.facts.subject_id or film.name
        rows.append([name, subject, knee.side, "", spacing_mm, 0, *placed.ravel().tolist()])
    return rows


def _check_inside(knee: KneeLabel, points: np.ndarray, columns: int, rows: int, label: Path) -> None:
    outside = (points < -0.5) | (points > np.array([columns, rows]) - 0.5)
    if outside.any():
        raise KneeBundleError(
            f"{int(outside.any(axis=1).sum())} landmarks of knee {knee.side} lie outside the film of {columns} x {rows} pixels; "
            "is the label of another image?",
            label,
        )
