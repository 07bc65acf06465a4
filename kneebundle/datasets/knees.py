"""Knees with 16 landmarks for training: a folder of images with landmarks.csv."""

from __future__ import annotations

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
from kneebundle.io.tables import number_rows, parse_number, read_table
from kneebundle.landmarks import KNEE_PA

__all__ = ["LoadKneed", "image_records", "read_knees", "read_landmark_table"]


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
    rows = read_table(path, ["image", "side", "spacing_mm", *KNEE_PA.columns])
    if not rows:
        raise KneeBundleError("the table has no rows; a row a knee is needed", path)
    if f"x{len(KNEE_PA)}" in rows[0]:
        raise KneeBundleError(
            f"the table has more than {len(KNEE_PA)} landmarks a knee; "
            f"give those of a PA knee, x0 to x{len(KNEE_PA) - 1}",
            path,
        )
    return [_record(row, line, path) for line, row in number_rows(rows)]


def _record(row: dict[str, str], line: int, path: Path) -> dict[str, Any]:
    spacing = parse_number(row, "spacing_mm", line, path)
    if spacing <= 0:
        raise KneeBundleError(f"line {line}: spacing_mm is {spacing}; a positive number is needed, correct it", path)
    if row["side"] not in ("R", "L"):
        raise KneeBundleError(f"line {line}: side is {row['side']!r}; R or L is needed, correct it", path)
    optional = {name: parse_number(row, name, line, path) if row.get(name) else 0.0 for name in ("kl", "inverted")}
    return {
        "image": row["image"],
        "side": row["side"],
        "spacing_mm": spacing,
        "landmarks": np.array([parse_number(row, c, line, path) for c in KNEE_PA.columns]).reshape(-1, 2),
        "subject_id": row.get("subject_id") or row["image"],
        "kl": int(optional["kl"]),
        "inverted": int(optional["inverted"]),
    }


def read_knees(dataset_dir: str | Path, split: str, fold: int = 0, folds: int = 5) -> list[dict[str, Any]]:
    """Read the knees of one split of a data set.

    Args:
        dataset_dir: folder with images/ and landmarks.csv (:func:`read_landmark_table`).
        split: ``"training"``: all folds but one; ``"validation"``: that one.
        fold: the one kept apart; -1: see :func:`kneebundle.datasets.split_records`.
        folds: number of folds, by subject and stratified by KL grade.

    Returns:
        A record a knee for :class:`LoadKneed`, as :func:`read_landmark_table` gives it, ``image`` with its folder.

    Raises:
        KneeBundleError: if the folder or its table cannot be used, or the fold does not exist.
        ValueError: for another split.
    """
    check_split(split, fold, folds)
    folder = Path(dataset_dir)
    table = folder / "landmarks.csv"
    if not table.is_file():
        raise KneeBundleError("this is no data set of knees: images/ and landmarks.csv are needed in it", folder)
    chosen = split_records(read_landmark_table(table), split, fold, folds, path=table)
    chosen = [{**r, "image": str(folder / "images" / r["image"])} for r in chosen]
    absent = [r["image"] for r in chosen if not Path(r["image"]).is_file()]
    if absent:
        raise KneeBundleError(f"{len(absent)} images of the table are not there, the first is {absent[0]}", folder)
    return chosen


@log_used_data
def image_records(
    dataset_dir: str, spacing_mm: float | None = None, side: str | None = None, output_dir: str | None = None
) -> list[dict[str, Any]]:
    """List every readable image below a folder, for inference.

    Side and spacing come from a ``landmarks.csv`` or ``manifest.csv`` in the folder where there is one (columns image
    or path, side, spacing_mm), else from the arguments, else from the files. An image that cannot be read is logged,
    listed in ``output_dir/errors.csv`` (``path,reason``) and skipped.

    Returns:
        A record an image for :class:`LoadKneed`: image, side, spacing_mm.

    Raises:
        KneeBundleError: if no image can be read.
    """
    folder = Path(dataset_dir)
    known: dict[str, dict[str, Any]] = {}
    for table in (folder / "landmarks.csv", folder / "manifest.csv"):
        for line, row in number_rows(read_table(table, []) if table.is_file() else []):
            spacing = parse_number(row, "spacing_mm", line, table) if row.get("spacing_mm") else None
            known[Path(row.get("image") or row.get("path") or "").name] = {"side": row.get("side"), "spacing": spacing}
    records = []
    for path in find_images(folder):
        stated = known.get(path.name, {})
        records.append(
            {
                "image": str(path),
                "side": stated.get("side") or side,
                "spacing_mm": stated.get("spacing") or spacing_mm,
            }
        )
    return list_readable(records, folder, output_dir)


class LoadKneed(Transform):
    """Load the image of a record with its affine, and the record's points in mm.

    Takes a record of :func:`read_knees` or :func:`image_records`, or a drawn one (``drawn`` and ``index``, where
    ``drawn[index]`` is radiograph, landmarks and KL grade). Gives ``image`` (MetaTensor (1, H, W), row and column to
    mm), ``image_spacing_mm``, ``side``, ``kl``, ``path`` and, where the record has landmarks, ``landmarks`` (16, 2) in
    mm, and ``center_mm``, the point that a region is cut around (landmark 4).

    Args:
        default_side: for inference on images of which nobody knows the side.
        centered: give ``center_mm``; without it a region is cut around the middle of the image.
    """

    def __init__(self, default_side: str = "R", centered: bool = True) -> None:
        self.default_side = default_side
        self.centered = centered

    def __call__(self, data: Mapping[Any, Any]) -> dict[Hashable, Any]:
        """Load the image."""
        if "drawn" in data:
            radiograph, landmarks, kl = data["drawn"][data["index"]]
            points_mm = landmarks.to_mm(radiograph.spacing_mm).points
            d: dict[Hashable, Any] = {"kl": kl, "path": f"phantom-{data['index']}"}
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
