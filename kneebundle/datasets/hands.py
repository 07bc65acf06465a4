"""Hands with 37 landmarks: a folder in the layout of the Digital Hand Atlas as Payer et al. (2019) use it, or the phantom."""

from __future__ import annotations

import csv
import math
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.transforms import Transform

from kneebundle.datasets.phantoms.hand import draw_hand
from kneebundle.datasets.sections import is_training, phantom_records
from kneebundle.datasets.usable import usable_records
from kneebundle.errors import KneeBundleError
from kneebundle.io.reading import find_images, read_radiograph
from kneebundle.landmarks import HAND

__all__ = [
    "WRIST_MM",
    "LoadHandd",
    "fold_members",
    "hand_image_records",
    "hand_records",
    "read_hand_table",
    "wrist_spacing",
]

WRIST = (0, 4)
WRIST_MM = 50.0
TABLES = ("landmarks_px.csv", "all.csv", "landmarks.csv")


def wrist_spacing(points_px: np.ndarray) -> float:
    """Size of a pixel in mm by the field's convention: the two ends of the wrist, landmarks 0 and 4, are 50 mm apart.

    Args:
        points_px: (37, 2) in pixels.

    Raises:
        KneeBundleError: if one of the two is not finite, or they lie less than a pixel apart.
    """
    first, last = (np.asarray(points_px, dtype=np.float64)[i] for i in WRIST)
    length = float(np.linalg.norm(last - first))
    if not length >= 1.0:
        raise KneeBundleError(
            f"the ends of the wrist, landmarks 0 and 4, lie {length:.1f} px apart; both are needed, as they give the scale"
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
        table[name] = _points(cells, line, path)
    return table


def _points(cells: list[str], line: int, path: Path) -> np.ndarray:
    if len(cells) != 2 * len(HAND):
        raise KneeBundleError(
            f"line {line}: {len(cells)} numbers after the id; {len(HAND)} landmarks have {2 * len(HAND)}, x and y of each",
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


def fold_members(folder: Path, ids: list[str], folds: int = 3) -> list[int]:
    """The fold of each image: by the lists ``cv/set1.txt``, ``cv/set2.txt``, ... if they are there, else in turn by id.

    A list holds an id a line and names the images that are tested on in its fold. Without lists the sorted ids are dealt out
    one by one.

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


def hand_records(
    dataset_dir: str,
    section: str,
    fold: int = 0,
    folds: int = 3,
    phantom_size: int = 64,
    seed: int = 0,
    epoch_size: int = 64,
    phantom_share: float = 0.2,
) -> list[dict[str, Any]]:
    """The hands of one section of a data set.

    Args:
        dataset_dir: folder with images/ and a table of landmarks (:func:`read_hand_table`); empty: the phantom.
        section: ``"training"``: all folds but one; ``"validation"``: that one.
        fold: the one kept apart; -1 puts every hand into training, and all of them into validation, which then shows nothing
            but that training goes on.
        folds: number of folds (:func:`fold_members`).
        phantom_size: hands an epoch where the phantom serves; a quarter as many for validation.
        seed: of the phantom.
        epoch_size: images an epoch in training: the hands are repeated, each time to be varied anew, until there are that many.
        phantom_share: of the epoch, drawn phantoms mixed in.

    Returns:
        A record an image for :class:`LoadHandd`.

    Raises:
        KneeBundleError: if the folder or its table is not usable, or the fold does not exist.
        ValueError: on another section.
    """
    train = is_training(section, fold, folds)
    if not dataset_dir:
        return phantom_records(train, phantom_size, seed)
    records = _labelled_images(Path(dataset_dir))
    if fold >= 0:
        numbers = fold_members(Path(dataset_dir), [r["id"] for r in records], folds)
        records = [r for r, number in zip(records, numbers, strict=True) if (number == fold) != train]
    if not records:
        raise KneeBundleError(f"fold {fold} leaves no image for {section}; choose fewer folds", dataset_dir)
    if not train:
        return records
    drawn = round(epoch_size * phantom_share)
    real = max(epoch_size - drawn, len(records))
    return [records[i % len(records)] for i in range(real)] + [{"phantom": i, "seed": seed} for i in range(drawn)]


def _labelled_images(folder: Path) -> list[dict[str, Any]]:
    """A record for each image below images/, sorted by id; rows without an image are left out."""
    path = next((folder / name for name in TABLES if (folder / name).is_file()), None)
    if path is None:
        raise KneeBundleError(f"there is no table of landmarks; put {TABLES[0]} (id,x0,y0,...) there", folder)
    table = read_hand_table(path)
    images = {file.stem: file for file in find_images(folder / "images")}
    unknown = sorted(set(images) - set(table))
    if unknown:
        raise KneeBundleError(f"image {unknown[0]} has no row in the table; add it, or take the image away", path)
    return [{"id": name, "image": str(images[name]), "landmarks": table[name]} for name in sorted(images)]


def hand_image_records(dataset_dir: str, output_dir: str | None = None) -> list[dict[str, Any]]:
    """Every usable image below a folder, for inference.

    An image that cannot be used is logged, stands in ``output_dir/errors.csv`` (``path,reason``) and costs nothing else.

    Raises:
        KneeBundleError: if there is no usable image.
    """
    records = [{"image": str(path)} for path in find_images(dataset_dir)]
    return usable_records(records, dataset_dir, output_dir, spacing_mm=1.0)


class LoadHandd(Transform):
    """Turn a record into an image with its affine and points in mm.

    Takes a record of :func:`hand_records` or :func:`hand_image_records`; gives ``image`` (MetaTensor (1, H, W), row and
    column to mm), ``image_spacing_mm``, ``path`` and, where the record has them, ``landmarks`` (37, 2) in mm. Labels outside the
    image are NaN, so that they are not learnt. The spacing is that of :func:`wrist_spacing` where there are labels, whatever
    the file says: the headers of these images are not calibrated. Without labels it is the file's, or 1.
    """

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        points = None
        if "phantom" in data:
            radiograph, landmarks = draw_hand(np.random.default_rng([data["seed"], data["phantom"]]))
            path, points, spacing = f"phantom-{data['phantom']}", landmarks.points, radiograph.spacing_mm
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
            d["landmarks"] = torch.from_numpy(_inside(points, radiograph.pixels.shape) * np.array(spacing[::-1]))
        return d


def _inside(points_px: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The points, NaN where they lie outside an image of ``shape`` (rows, columns)."""
    within = np.all((points_px >= -0.5) & (points_px <= np.array(shape[1::-1]) - 0.5), axis=1, keepdims=True)
    return np.where(within, points_px, np.nan)
