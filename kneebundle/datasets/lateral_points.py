"""Points of lateral films in a CSV table, with the masks in files beside it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from kneebundle.errors import KneeBundleError
from kneebundle.io.tables import number_rows, parse_number, read_table
from kneebundle.landmarks import BONES, LATERAL_POINTS

__all__ = ["find_masks", "read_point_table", "read_points_folder"]

_COLUMNS = [f"{point}_{axis}" for point in LATERAL_POINTS for axis in "xy"]
_LABEL_SUFFIXES = (".nii.gz", ".nii")


def read_point_table(path: Path) -> list[dict[str, Any]]:
    """Read points.csv.

    Args:
        path: a CSV with the columns image, p_blum_x, p_blum_y, p_tmc_x, p_tmc_y, p_prox_x, p_prox_y, p_dist_x, p_dist_y
            (pixels of the image as stored, both cells of a point empty where it is unknown) and, where known,
            spacing_mm (empty where the file states it), subject_id, rater, suitable (0 where the rater holds the film
            to be unfit for planning).

    Returns:
        A record a row: image (name), subject_id, rater, suitable, spacing_mm (or None), landmarks and cortex_line, (2,
            2) each.

    Raises:
        KneeBundleError: if the file, a column or a value is missing or is not what it should be.
    """
    rows = read_table(path, ["image", *_COLUMNS])
    if not rows:
        raise KneeBundleError("the table has no rows; a row a film is needed", path)
    return [_parse_record(row, line, path) for line, row in number_rows(rows)]


def _parse_record(row: dict[str, str], line: int, path: Path) -> dict[str, Any]:
    if not row["image"]:
        raise KneeBundleError(f"line {line}: no image is named; give the name of a file in images/", path)
    spacing = parse_number(row, "spacing_mm", line, path) if row.get("spacing_mm") else None
    if spacing is not None and spacing <= 0:
        raise KneeBundleError(f"line {line}: spacing_mm is {spacing}; a positive number is needed, correct it", path)
    points = np.array([_parse_point(row, name, line, path) for name in LATERAL_POINTS])
    return {
        "image": row["image"],
        "subject_id": row.get("subject_id") or row["image"],
        "rater": row.get("rater", ""),
        "suitable": row.get("suitable", "") not in ("0", "no", "false"),
        "spacing_mm": spacing,
        "landmarks": points[:2],
        "cortex_line": points[2:],
    }


def _parse_point(row: dict[str, str], name: str, line: int, path: Path) -> tuple[float, float]:
    if not row[f"{name}_x"] and not row[f"{name}_y"]:
        return math.nan, math.nan
    return parse_number(row, f"{name}_x", line, path), parse_number(row, f"{name}_y", line, path)


def read_points_folder(folder: Path) -> list[dict[str, Any]]:
    """Read the films of a folder with points.csv, images/ and masks/; of several raters of a film the first one counts.

    A film's masks are ``masks/<stem>_<bone>.png`` for each of the four bones, or one ``masks/<stem>.nii.gz``.

    Raises:
        KneeBundleError: if the table is not usable, or an image or its masks are not there.
    """
    first: dict[str, dict[str, Any]] = {}
    for record in read_point_table(folder / "points.csv"):
        first.setdefault(record["image"], record)
    records = []
    for name, record in first.items():
        image = folder / "images" / name
        if not image.is_file():
            raise KneeBundleError("points.csv names this image, but it is not there; add it or drop its row", image)
        records.append({**record, "image": str(image), "masks": find_masks(folder / "masks", name)})
    return records


def find_masks(folder: Path, image: str) -> dict[str, Any]:
    """Find the masks of an image, for :func:`kneebundle.datasets.lateral_masks.read_masks`.

    Raises:
        KneeBundleError: if one of them is not there.
    """
    stem = image.split(".")[0] if image.endswith(_LABEL_SUFFIXES) else Path(image).stem
    pictures = {bone: folder / f"{stem}_{bone}.png" for bone in BONES}
    absent = [path for path in pictures.values() if not path.is_file()]
    if not absent:
        return {"pictures": {bone: str(path) for bone, path in pictures.items()}}
    labels = [folder / f"{stem}{suffix}" for suffix in _LABEL_SUFFIXES]
    if len(absent) == len(BONES):
        for path in labels:
            if path.is_file():
                return {"labels": str(path)}
    raise KneeBundleError(
        f"the mask is not there (nor is {labels[0].name}); add it, black throughout if the film does not show the bone",
        absent[0],
    )
