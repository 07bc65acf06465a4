"""Write labelled images as a data set that train.json of the landmark bundle reads."""

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
from kneebundle.label_app.image_facts import ADVICE, ImageFacts, find_image_file
from kneebundle.label_app.labels import KneeLabel, parse_label, read_label, read_label_spacing
from kneebundle.transforms.resample import pixel_spacing

__all__ = ["LabelledImage", "TrainingSet", "write_training_set"]

PICTURE_MM = 180.0
"""Edge of the square cut around a knee: the region that the network sees, with room to turn it."""


@dataclass(frozen=True)
class LabelledImage:
    """An image of the datastore with its label: id, files, and what is known of it."""

    name: str
    image: Path
    label: Path
    facts: ImageFacts = ImageFacts()


@dataclass(frozen=True)
class TrainingSet:
    """A data set that was written.

    Attributes:
        folder: with images/, landmarks.csv and errors.csv.
        knees: how many.
        subjects: of how many people, as far as is known.
        skipped: name and reason of the images that could not be used.
    """

    folder: Path
    knees: int
    subjects: int
    skipped: tuple[tuple[str, str], ...]


def write_training_set(images: Sequence[LabelledImage], folder: Path) -> TrainingSet:
    """Write ``images/<number>_<side>.png``, a picture a knee, and ``landmarks.csv``.

    The knees of an image share a subject, and so do the images whose facts name the same one. An image that cannot be
    used is skipped, with its reason in ``errors.csv``.

    Args:
        images: with their labels.
        folder: made if it is not there.

    Raises:
        KneeBundleError: if there is no label, or none that can be used; then nothing is left in the folder.
    """
    if not images:
        raise KneeBundleError("there are no labels to train on; save corrected points with the tag final first")
    (folder / "images").mkdir(parents=True, exist_ok=True)
    rows: list[list[object]] = []
    skipped: list[tuple[str, str]] = []
    for number, image in enumerate(images):
        try:
            rows += _write_knees(image, number, folder)
        except KneeBundleError as error:
            skipped.append((image.name, error.advised(ADVICE)))
    if not rows:
        shutil.rmtree(folder)
        raise KneeBundleError(f"none of the {len(skipped)} labels can be used; the first, {': '.join(skipped[0])}")
    write_table(folder / "landmarks.csv", landmark_columns(), rows)
    write_table(folder / "errors.csv", ["path", "reason"], skipped)
    return TrainingSet(folder, len(rows), len({row[1] for row in rows}), tuple(skipped))


def _write_knees(labelled: LabelledImage, number: int, folder: Path) -> list[list[object]]:
    content = read_label(labelled.label)
    spacing = read_label_spacing(content)
    facts = labelled.facts.or_else(None if spacing is None else spacing[0])
    radiograph = facts.read(labelled.image)
    image = radiograph.to_metatensor()
    stored_spacing = radiograph.orientation.pair(radiograph.spacing_mm)
    rows: list[list[object]] = []
    for knee in parse_label(content, read_placement(find_image_file(labelled.image), stored_spacing), labelled.label):
        points = radiograph.orientation.points_to_displayed(knee.points_px, radiograph.rows, radiograph.columns)
        _check_inside(knee, points, radiograph.columns, radiograph.rows, labelled.label)
        points_mm = radiograph.px_to_mm(points)
        picture = cut_around(image, points_mm, PICTURE_MM)
        name = f"{number:05d}_{knee.side}.png"
        placed = write_picture(folder / "images" / name, picture, points_mm)
        spacing_mm = f"{pixel_spacing(picture)[0]:.6g}"
        subject = labelled.facts.subject_id or labelled.name
        rows.append([name, subject, knee.side, "", spacing_mm, 0, *placed.ravel().tolist()])
    return rows


def _check_inside(knee: KneeLabel, points: np.ndarray, columns: int, rows: int, label: Path) -> None:
    outside = (points < -0.5) | (points > np.array([columns, rows]) - 0.5)
    if outside.any():
        raise KneeBundleError(
            f"{int(outside.any(axis=1).sum())} landmarks of knee {knee.side} lie outside the image of "
            f"{columns} x {rows} pixels; is the label of another image?",
            label,
        )
