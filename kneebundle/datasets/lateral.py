"""Lateral knees with bone masks, landmarks and the cortex line for training: a folder in one of three layouts, or the phantom."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import Transform

from kneebundle.datasets.folds import subject_folds
from kneebundle.datasets.lateral_masks import read_masks
from kneebundle.datasets.lateral_points import records_with_points_table
from kneebundle.datasets.lateral_polygons import records_of_coco, records_of_labelme
from kneebundle.datasets.phantoms.lateral import POINTS, LateralKnees
from kneebundle.datasets.sections import is_training, phantom_records
from kneebundle.errors import KneeBundleError
from kneebundle.io.reading import read_radiograph
from kneebundle.radiograph import Radiograph

__all__ = ["LoadLaterald", "lateral_records", "labelled_films"]

FOLD_SEED = 0


def lateral_records(
    dataset_dir: str, section: str, fold: int = 0, folds: int = 5, phantom_size: int = 64, seed: int = 0
) -> list[dict[str, Any]]:
    """The films of one section of a data set.

    Args:
        dataset_dir: a folder in one of the layouts of docs/lateral_data.md; empty: the embedded phantom.
        section: ``"training"``: all folds but one; ``"validation"``: that one.
        fold: the one kept apart; -1 puts every film into training, and some of them into validation, which then shows nothing
            but that training goes on.
        folds: number of folds, by subject.
        phantom_size: films an epoch where the phantom serves; a quarter as many for validation.
        seed: of the phantom; the folds are always the same.

    Returns:
        A record a film for :class:`LoadLaterald`.

    Raises:
        KneeBundleError: if the folder or its labels are not usable, or the fold does not exist.
        ValueError: on another section.
    """
    train = is_training(section, fold, folds)
    if not dataset_dir:
        return phantom_records(train, phantom_size, seed)
    records = labelled_films(Path(dataset_dir))
    if fold == -1:
        return records[:: 1 if train else folds]
    subjects = [record["subject_id"] for record in records]
    numbers = subject_folds(subjects, [0] * len(records), folds=folds, seed=FOLD_SEED)
    return [record for record, number in zip(records, numbers, strict=True) if (number == fold) != train]


def labelled_films(folder: Path) -> list[dict[str, Any]]:
    """Every labelled film of a folder: with points.csv, with COCO's annotations.json, or with LabelMe's files.

    Returns:
        A record a film: image (path), subject_id, spacing_mm (None: the file states it), landmarks and cortex_line, (2, 2) each
        in pixels of the image as stored, NaN where unknown, and where its masks are.

    Raises:
        KneeBundleError: if there are none, or something is missing or not what it should be.
    """
    if (folder / "points.csv").is_file():
        return records_with_points_table(folder)
    if (folder / "annotations.json").is_file():
        return records_of_coco(folder / "annotations.json")
    return records_of_labelme(folder)


class LoadLaterald(Transform):
    """Turn a record into an image with its masks and points.

    Takes a record of :func:`lateral_records`. Gives ``image`` (MetaTensor (1, H, W) float32, its affine takes row and column to
    mm), ``masks`` (MetaTensor (4, H, W) uint8, 0 or 1, the same affine; femur, patella, tibia, fibula), ``landmarks`` (2, 2)
    float32 px (p_blum, p_tmc), ``cortex_line`` (2, 2) float32 px (p_prox, p_dist), NaN where unknown, ``image_spacing_mm`` (row,
    column), ``subject_id`` and ``path``. Images are as displayed, bone bright; drawn films and PNG files run from 0 to 255.
    """

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        if "phantom" in data:
            return _drawn(data["phantom"], data["seed"])
        film = read_radiograph(data["image"], spacing_mm=data["spacing_mm"], view="lateral")
        stored = film.turn.pair((film.rows, film.columns))
        masks = np.stack([film.turn.apply(mask) for mask in read_masks(data["masks"], stored)])
        points = np.concatenate([data["landmarks"], data["cortex_line"]])
        _check_inside(points, stored, data["image"])
        shown = film.turn.points_to_displayed(points, film.rows, film.columns)
        return _loaded(film.to_metatensor(), masks, shown, film.spacing_mm, str(data["subject_id"]), str(data["image"]))


def _drawn(index: int, seed: int) -> dict[Hashable, Any]:
    knee = LateralKnees(index + 1, seed)[index]
    film = Radiograph(knee.image, (knee.spacing_mm, knee.spacing_mm), view="lateral")
    points = np.concatenate([knee.landmarks, knee.cortex_line])
    name = f"phantom-{index}"
    return _loaded(film.to_metatensor(), knee.masks, points, film.spacing_mm, name, name)


def _loaded(
    image: MetaTensor, masks: np.ndarray, points: np.ndarray, spacing_mm: tuple[float, float], subject: str, path: str
) -> dict[Hashable, Any]:
    both = torch.as_tensor(points, dtype=torch.float32)
    return {
        "image": image,
        "masks": MetaTensor(torch.from_numpy(np.ascontiguousarray(masks, dtype=np.uint8)), affine=image.affine),
        "landmarks": both[:2],
        "cortex_line": both[2:],
        "image_spacing_mm": spacing_mm,
        "subject_id": subject,
        "path": path,
    }


def _check_inside(points: np.ndarray, shape: tuple[int, int], path: str) -> None:
    """Refuse points beside an image of (rows, columns); NaN passes."""
    outside = (points < -0.5) | (points > np.array([shape[1], shape[0]]) - 0.5)
    if outside.any():
        i = int(np.argmax(outside.any(1)))
        raise KneeBundleError(
            f"{POINTS[i]} lies at ({points[i, 0]:g}, {points[i, 1]:g}), outside the image of {shape[1]} x {shape[0]} pixels; "
            "give points in pixels of this image",
            path,
        )
