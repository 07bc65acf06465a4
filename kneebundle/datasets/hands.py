"""Hands with 37 landmarks: a folder in the layout of the Digital Hand Atlas as Payer et al. (2019) use it."""

from __future__ import annotations

import csv
import math
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.transforms import Transform

from kneebundle.datasets.readable_records import list_readable
from kneebundle.datasets.splits import check_split, split_records
from kneebundle.datasets.used_data import log_used_data
from kneebundle.errors import KneeBundleError
from kneebundle.io.finding import find_images
from kneebundle.io.reading import read_radiograph
from kneebundle.landmarks import HAND, WRIST

__all__ = [
    "WRIST_MM",
    "LoadHandd",
    "hand_image_records",
    "read_fold_numbers",
    "read_hand_table",
    "read_hands",
    "wrist_spacing",
]

WRIST_MM = 50.0
TABLES = ("landmarks_px.csv", "all.csv", "landmarks.csv")


def wrist_spacing(points_px: np.ndarray) -> float:
    """Size of a pixel in mm by the field's convention: the two ends of the wrist, landmarks 0 and 4, are 50 mm apart.

    Args:
        points_px: (37, 2) in pixels.

    Returns:
        mm, of a square pixel.

    Raises:
        KneeBundleError: if one of the two is not finite, or they lie less than a pixel apart.
    """
    first, last = (np.asarray(points_px, dtype=np.float64)[i] for i in WRIST)
    length = float(np.linalg.norm(last - first))
    if not length >= 1.0:
        raise KneeBundleError(
            f"the ends of the wrist, landmarks 0 and 4, lie {length:.1f} px apart; "
            "both are needed, as they give the scale"
        )
    return WRIST_MM / length


def read_hand_table(path: Path) -> dict[str, np.ndarray]:
    """Read the table of landmarks: no header, a row an image, ``id,x0,y0,x1,y1 .. x36,y36`` in pixels of the image.

    An empty cell or ``nan`` is a landmark without a label.

    Returns:
        By the image's id, (37, 2) float64, NaN where there is no label.

    Raises:
        KneeBundleError: if the file cannot be read, a row has another number of landmarks, a cell is no number, an id
            stands twice, or an end of the wrist is missing.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            rows = [(line, [cell.strip() for cell in row]) for line, row in enumerate(csv.reader(stream), 1) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise KneeBundleError("the table cannot be read; give a CSV file id,x0,y0,...", path) from error
    if not rows:
        raise KneeBundleError("the table has no rows; a row an image is needed: id,x0,y0,...", path)
    table: dict[str, np.ndarray] = {}
    for line, (name, *cells) in rows:
        if name in table:
            raise KneeBundleError(f"line {line}: the id {name} stands there twice; leave one row an image", path)
        table[name] = _parse_points(cells, line, path)
    return table


def _parse_points(cells: list[str], line: int, path: Path) -> np.ndarray:
    if len(cells) != 2 * len(HAND):
        raise KneeBundleError(
            f"line {line}: {len(cells)} numbers after the id; "
            f"{len(HAND)} landmarks have {2 * len(HAND)}, x and y of each",
            path,
        )
    try:
        points = np.array([float(cell) if cell else math.nan for cell in cells]).reshape(-1, 2)
        wrist_spacing(points)
    except ValueError as error:
        raise KneeBundleError(f"line {line}: {error}; write numbers only, empty for no label", path) from error
    except KneeBundleError as error:
        raise KneeBundleError(f"line {line}: {error.reason}", path) from error
    return points


def read_fold_numbers(folder: Path, ids: list[str], folds: int = 3) -> list[int]:
    """Read the fold of each image.

    The lists ``cv/set1.txt``, ``cv/set2.txt``, ... tell it, if they are there: each holds an id a line and names the
    images that are tested on in its fold. Without lists the sorted ids are dealt out one by one.

    Args:
        folder: the data set, with cv/ if it has lists.
        ids: of its images.
        folds: number of folds.

    Returns:
        From 0 to ``folds`` - 1, in the order of ``ids``.

    Raises:
        KneeBundleError: if lists are there but fewer than ``folds``, or an id stands in none or in several.
    """
    lists = [folder / "cv" / f"set{number}.txt" for number in range(1, folds + 1)]
    if not any(path.is_file() for path in lists):
        place = {name: number for number, name in enumerate(sorted(ids))}
        return [place[name] % folds for name in ids]
    missing = [path for path in lists if not path.is_file()]
    if missing:
        raise KneeBundleError(f"a list for each of {folds} folds is needed; add it or set folds", missing[0])
    members = [set(path.read_text(encoding="utf-8").split()) for path in lists]
    numbers = [[fold for fold, names in enumerate(members) if name in names] for name in ids]
    for name, found in zip(ids, numbers, strict=True):
        if len(found) != 1:
            raise KneeBundleError(
                f"image {name} stands in {len(found)} fold lists; exactly one is needed", folder / "cv"
            )
    return [found[0] for found in numbers]


def read_hands(dataset_dir: str | Path, split: str, fold: int = 0, folds: int = 3) -> list[dict[str, Any]]:
    """Read the hands of one split of a data set.

    Args:
        dataset_dir: folder with images/ and a table of landmarks (:func:`read_hand_table`).
        split: ``"training"``: all folds but one; ``"validation"``: that one.
        fold: the one kept apart; -1: see :func:`kneebundle.datasets.split_records`.
        folds: number of folds (:func:`read_fold_numbers`).

    Returns:
        A record an image for :class:`LoadHandd`: id, image (path), landmarks (37, 2) in pixels; sorted by id.

    Raises:
        KneeBundleError: if the folder or its table cannot be used, or the fold does not exist or is empty.
        ValueError: for another split.
    """
    check_split(split, fold, folds)
    folder = Path(dataset_dir)
    records = _list_labelled_images(folder)
    numbers = read_fold_numbers(folder, [r["id"] for r in records], folds) if fold >= 0 else None
    return split_records(records, split, fold, folds, numbers, folder)


def _list_labelled_images(folder: Path) -> list[dict[str, Any]]:
    """List a record for each image below images/, sorted by id; rows without an image are left out."""
    path = next((folder / name for name in TABLES if (folder / name).is_file()), None)
    if path is None:
        raise KneeBundleError(f"there is no table of landmarks; put {TABLES[0]} (id,x0,y0,...) there", folder)
    table = read_hand_table(path)
    images = {file.stem: file for file in find_images(folder / "images")}
    unknown = sorted(set(images) - set(table))
    if unknown:
        raise KneeBundleError(f"image {unknown[0]} has no row in the table; add it, or take the image away", path)
    return [{"id": name, "image": str(images[name]), "landmarks": table[name]} for name in sorted(images)]


@log_used_data
def hand_image_records(dataset_dir: str, output_dir: str | None = None) -> list[dict[str, Any]]:
    """List every readable image below a folder, for inference.

    An image that cannot be read is logged, listed in ``output_dir/errors.csv`` (``path,reason``) and skipped.

    Returns:
        A record an image for :class:`LoadHandd`: image.

    Raises:
        KneeBundleError: if no image can be read.
    """
    records = [{"image": str(path)} for path in find_images(dataset_dir)]
    return list_readable(records, dataset_dir, output_dir, spacing_mm=1.0)


class LoadHandd(Transform):
    """Load the image of a record with its affine, and the record's points in mm.

    Takes a record of :func:`read_hands` or :func:`hand_image_records`, or a drawn one (``drawn`` and ``index``, where
    ``drawn[index]`` is radiograph and landmarks). Gives ``image`` (MetaTensor (1, H, W), row and column to mm),
    ``image_spacing_mm``, ``path`` and, where the record has them, ``landmarks`` (37, 2) in mm. Labels outside the image
    are NaN, so that they are not learnt. The spacing is that of :func:`wrist_spacing` where there are labels, whatever
    the file says: the headers of these images are not calibrated. Without labels it is the file's, or 1.
    """

    def __call__(self, data: Mapping[Any, Any]) -> dict[Hashable, Any]:
        """Load the image."""
        points = None
        if "drawn" in data:
            radiograph, landmarks = data["drawn"][data["index"]]
            path, points, spacing = f"phantom-{data['index']}", landmarks.points, radiograph.spacing_mm
        else:
            radiograph = read_radiograph(data["image"], spacing_mm=1.0)
            path, spacing = str(data["image"]), radiograph.spacing_mm
            if "landmarks" in data:
                points = np.asarray(data["landmarks"], dtype=np.float64)
                spacing = (wrist_spacing(points),) * 2
        image = radiograph.to_metatensor()
        image.affine = torch.diag(torch.tensor([*spacing, 1.0, 1.0], dtype=torch.float64))
        d: dict[Hashable, Any] = {"image": image, "image_spacing_mm": spacing, "path": path}
        if points is not None:
            d["landmarks"] = torch.from_numpy(_blank_outside(points, radiograph.pixels.shape) * np.array(spacing[::-1]))
        return d


def _blank_outside(points_px: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The points, NaN where they lie outside an image of ``shape`` (rows, columns)."""
    within = np.all((points_px >= -0.5) & (points_px <= np.array(shape[1::-1]) - 0.5), axis=1, keepdims=True)
    return np.where(within, points_px, np.nan)
