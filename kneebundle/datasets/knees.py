"""Knees with 16 landmarks for training: a folder of images with landmarks.csv, or the embedded phantom."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.transforms import Transform

from kneebundle.datasets.folds import subject_folds
from kneebundle.datasets.phantoms.knee_pa import PhantomKnees
from kneebundle.datasets.sections import is_training, phantom_records
from kneebundle.datasets.usable import usable_records
from kneebundle.errors import KneeBundleError
from kneebundle.io.reading import find_images, read_radiograph
from kneebundle.io.tables import number_in, read_table
from kneebundle.landmarks import KNEE_PA

__all__ = ["LoadKneed", "image_records", "knee_records", "read_landmark_table"]

FOLD_SEED = 0
_POINT_COLUMNS = [f"{axis}{i}" for i in range(len(KNEE_PA)) for axis in "xy"]


def read_landmark_table(path: Path) -> list[dict[str, Any]]:
    """Read landmarks.csv.

    Args:
        path: a CSV with the columns image, side, spacing_mm, x0, y0 .. x15, y15 (pixels of the image) and, where known,
            subject_id, kl and inverted.

    Returns:
        A record a knee: image (name), side, spacing_mm, landmarks (16, 2) in pixels, subject_id, kl, inverted.

    Raises:
        KneeBundleError: if the file, a column or a value is missing or is not what it should be.
    """
    rows = read_table(path, ["image", "side", "spacing_mm", *_POINT_COLUMNS])
    if not rows:
        raise KneeBundleError("the table has no rows; a row a knee is needed", path)
    if f"x{len(KNEE_PA)}" in rows[0]:
        raise KneeBundleError(
            f"the table has more than {len(KNEE_PA)} landmarks a knee; give those of a PA knee, x0 to x{len(KNEE_PA) - 1}",
            path,
        )
    return [_record(row, line, path) for line, row in enumerate(rows, start=2)]


def _record(row: dict[str, str], line: int, path: Path) -> dict[str, Any]:
    spacing = number_in(row, "spacing_mm", line, path)
    if spacing <= 0:
        raise KneeBundleError(f"line {line}: spacing_mm is {spacing}; a positive number is needed, correct it", path)
    if row["side"] not in ("R", "L"):
        raise KneeBundleError(f"line {line}: side is {row['side']!r}; R or L is needed, correct it", path)
    optional = {name: number_in(row, name, line, path) if row.get(name) else 0.0 for name in ("kl", "inverted")}
    return {
        "image": row["image"],
        "side": row["side"],
        "spacing_mm": spacing,
        "landmarks": np.array([number_in(row, c, line, path) for c in _POINT_COLUMNS]).reshape(-1, 2),
        "subject_id": row.get("subject_id") or row["image"],
        "kl": int(optional["kl"]),
        "inverted": int(optional["inverted"]),
    }


def knee_records(
    dataset_dir: str, section: str, fold: int = 0, folds: int = 5, phantom_size: int = 64, seed: int = 0
) -> list[dict[str, Any]]:
    """The knees of one section of a data set.

    Args:
        dataset_dir: folder with images/ and landmarks.csv; empty: the embedded phantom.
        section: ``"training"``: all folds but one; ``"validation"``: that one.
        fold: the one kept apart; -1 puts every knee into training, and some of them into validation, which then shows nothing
            but that training goes on.
        folds: number of folds, by subject and stratified by KL grade.
        phantom_size: knees an epoch where the phantom serves; a quarter as many for validation.
        seed: of the phantom; the folds are always the same.

    Returns:
        A record a knee for :class:`LoadKneed`.

    Raises:
        KneeBundleError: if the folder or its table is not usable, or the fold does not exist.
        ValueError: on another section.
    """
    train = is_training(section, fold, folds)
    if not dataset_dir:
        return phantom_records(train, phantom_size, seed)
    folder = Path(dataset_dir)
    records = read_landmark_table(folder / "landmarks.csv")
    chosen = [records[i] for i in _members(records, section, fold, folds)]
    chosen = [{**r, "image": str(folder / "images" / r["image"])} for r in chosen]
    absent = [r["image"] for r in chosen if not Path(r["image"]).is_file()]
    if absent:
        raise KneeBundleError(f"{len(absent)} images of the table are not there, the first is {absent[0]}", folder)
    return chosen


def _members(records: list[dict[str, Any]], section: str, fold: int, folds: int) -> list[int]:
    """Places of the knees of a section."""
    if fold == -1:
        return list(range(0, len(records), 1 if section == "training" else folds))
    subjects, grades = [r["subject_id"] for r in records], [r["kl"] for r in records]
    numbers = subject_folds(subjects, grades, folds=folds, seed=FOLD_SEED)
    return [i for i, n in enumerate(numbers) if (n == fold) == (section == "validation")]


def image_records(
    dataset_dir: str, spacing_mm: float | None = None, side: str | None = None, output_dir: str | None = None
) -> list[dict[str, Any]]:
    """Every usable image below a folder, for inference.

    Side and spacing come from a ``landmarks.csv`` or ``manifest.csv`` in the folder where there is one (columns image or
    path, side, spacing_mm), else from the arguments, else from the files. An image that cannot be used is logged, stands in
    ``output_dir/errors.csv`` (``path,reason``) and costs nothing else.

    Raises:
        KneeBundleError: if there is no usable image.
    """
    folder = Path(dataset_dir)
    known: dict[str, dict[str, str]] = {}
    for name in ("landmarks.csv", "manifest.csv"):
        if (folder / name).is_file():
            rows = read_table(folder / name, [])
            known.update({Path(row.get("image") or row.get("path") or "").name: row for row in rows})
    records = []
    for path in find_images(folder):
        row = known.get(path.name, {})
        spacing = float(row["spacing_mm"]) if row.get("spacing_mm") else spacing_mm
        records.append({"image": str(path), "side": row.get("side") or side, "spacing_mm": spacing})
    return usable_records(records, folder, output_dir)


class LoadKneed(Transform):
    """Turn a record into an image with its affine and points in mm.

    Takes a record of :func:`knee_records` or :func:`image_records`; gives ``image`` (MetaTensor (1, H, W), row and
    column to mm), ``image_spacing_mm``, ``side``, ``kl``, ``path`` and, where the record has landmarks, ``landmarks`` (16, 2) in mm,
    and ``center_mm``, the point that a region is cut around (landmark 4).

    Args:
        default_side: for inference on images of which nobody knows the side.
        centered: give ``center_mm``; without it a region is cut around the middle of the image.
    """

    def __init__(self, default_side: str = "R", centered: bool = True) -> None:
        self.default_side = default_side
        self.centered = centered

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        if "phantom" in data:
            radiograph, landmarks, kl = PhantomKnees(data["phantom"] + 1, seed=data["seed"])[data["phantom"]]
            points_mm = landmarks.to_mm(radiograph.spacing_mm).points
            d: dict[Hashable, Any] = {"kl": kl, "path": f"phantom-{data['phantom']}"}
        else:
            spacing = data.get("spacing_mm")
            radiograph = read_radiograph(data["image"], spacing_mm=spacing, side=data.get("side"))
            points_mm = radiograph.px_to_mm(data["landmarks"]) if "landmarks" in data else None
            d = {"kl": data.get("kl", 0), "path": str(data["image"])}
        image = radiograph.to_metatensor()
        if data.get("inverted"):
            image = -image
        d.update(image=image, side=radiograph.side or self.default_side, image_spacing_mm=radiograph.spacing_mm)
        if points_mm is not None:
            d["landmarks"] = torch.from_numpy(np.asarray(points_mm))
            if self.centered:
                d["center_mm"] = points_mm[KNEE_PA.center]
        return d
