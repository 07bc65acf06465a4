"""Lateral knees with bone masks, landmarks and the cortex line for training: a folder in one of three layouts."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import Transform

from kneebundle.datasets.lateral_masks import read_masks
from kneebundle.datasets.lateral_points import read_points_folder
from kneebundle.datasets.lateral_polygons import read_coco, read_labelme
from kneebundle.datasets.splits import check_split, split_records
from kneebundle.errors import KneeBundleError
from kneebundle.io.reading import read_radiograph
from kneebundle.landmarks import LATERAL_POINTS
from kneebundle.radiograph import Radiograph

__all__ = ["LoadLaterald", "read_lateral_films"]


def read_lateral_films(dataset_dir: str | Path, split: str, fold: int = 0, folds: int = 5) -> list[dict[str, Any]]:
    """Read the labelled lateral films of one split: with points.csv, COCO's annotations.json, or LabelMe's files.

    Args:
        dataset_dir: a folder in one of the layouts of docs/lateral_data.md.
        split: ``"training"``: all folds but one; ``"validation"``: that one.
        fold: the one kept apart; -1: see :func:`kneebundle.datasets.split_records`.
        folds: number of folds, by subject.

    Returns:
        A record a film for :class:`LoadLaterald`: image (path), subject_id, spacing_mm (None: the file states it),
        landmarks and cortex_line, (2, 2) each in pixels of the image as stored, NaN where unknown, and where its masks
        are.

    Raises:
        KneeBundleError: if the folder or its labels cannot be used, or the fold does not exist.
        ValueError: for another split.
    """
    check_split(split, fold, folds)
    folder = Path(dataset_dir)
    return split_records(_list_labelled_films(folder), split, fold, folds, path=folder)


def _list_labelled_films(folder: Path) -> list[dict[str, Any]]:
    if (folder / "points.csv").is_file():
        return read_points_folder(folder)
    if (folder / "annotations.json").is_file():
        return read_coco(folder / "annotations.json")
    return read_labelme(folder)


class LoadLaterald(Transform):
    """Load the image of a record with its masks and points.

    Takes a record of :func:`read_lateral_films`, or a drawn one (``drawn`` and ``index``, where ``drawn[index]`` has
    image, masks, landmarks, cortex_line and spacing_mm). Gives ``image`` (MetaTensor (1, H, W) float32, its affine
    takes row and column to mm), ``masks`` (MetaTensor (4, H, W) uint8, 0 or 1, the same affine; femur, patella, tibia,
    fibula), ``landmarks`` (2, 2) float32 px (p_blum, p_tmc), ``cortex_line`` (2, 2) float32 px (p_prox, p_dist), NaN
    where unknown, ``image_spacing_mm`` (row, column), ``subject_id`` and ``path``. Images are as displayed, bone
    bright; drawn films and PNG files run from 0 to 255.
    """

    def __call__(self, data: Mapping[Any, Any]) -> dict[Hashable, Any]:
        """Load the image with its masks and points."""
        if "drawn" in data:
            return _load_drawn(data["drawn"][data["index"]], f"phantom-{data['index']}")
        film = read_radiograph(data["image"], spacing_mm=data["spacing_mm"], view="lateral")
        stored = film.orientation.pair((film.rows, film.columns))
        masks = np.stack([film.orientation.apply(mask) for mask in read_masks(data["masks"], stored)])
        points = np.concatenate([data["landmarks"], data["cortex_line"]])
        _check_inside(points, stored, data["image"])
        shown = film.orientation.points_to_displayed(points, film.rows, film.columns)
        return _make_item(
            film.to_metatensor(), masks, shown, film.spacing_mm, str(data["subject_id"]), str(data["image"])
        )


def _load_drawn(knee: Any, name: str) -> dict[Hashable, Any]:
    film = Radiograph(knee.image, (knee.spacing_mm, knee.spacing_mm), view="lateral")
    points = np.concatenate([knee.landmarks, knee.cortex_line])
    return _make_item(film.to_metatensor(), knee.masks, points, film.spacing_mm, name, name)


def _make_item(
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
    """Raise an error if a point lies outside an image of (rows, columns); NaN passes."""
    outside = (points < -0.5) | (points > np.array([shape[1], shape[0]]) - 0.5)
    if outside.any():
        i = int(np.argmax(outside.any(1)))
        raise KneeBundleError(
            f"{LATERAL_POINTS[i]} lies at ({points[i, 0]:g}, {points[i, 1]:g}), outside the image of "
            f"{shape[1]} x {shape[0]} pixels; give points in pixels of this image",
            path,
        )
