"""The tables that an evaluation of landmarks reads: predictions, and labels in one or several readings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from kneebundle.annotation.corrections import read_corrections
from kneebundle.errors import KneeBundleError
from kneebundle.io.tables import number_rows, parse_number, parse_side, read_table
from kneebundle.landmarks import KNEE_LATERAL, KNEE_PA

__all__ = ["LabelledKnee", "read_labels", "read_predicted_landmarks", "read_predicted_spacing"]

_LEAST_PX = 5.0
"""Nearer to the border, a point in px and in mm does not tell the size of a pixel."""
_IDS = range(len(KNEE_PA))
_LATERAL_NAMES = {*KNEE_LATERAL.names, "schoettle_point"}


@dataclass(frozen=True)
class LabelledKnee:
    """A knee with its labels.

    Attributes:
        image: as the table names it.
        side: R or L.
        grade: Kellgren-Lawrence grade as text; empty where the table has none.
        spacing_mm: size of a pixel, (row, column).
        points: (N, 2) in pixels, the mean of the readings; NaN where a landmark is not marked.
        readings_mm: (N,) mean distance between two readings in mm; NaN where fewer than two marked the landmark.
    """

    image: str
    side: str
    grade: str
    spacing_mm: tuple[float, float]
    points: np.ndarray
    readings_mm: np.ndarray


def read_labels(paths: Sequence[Path]) -> list[LabelledKnee]:
    """Read the labels of knees, in one table or folder of corrections a reading.

    Several readings of a knee are averaged, landmark by landmark; one that is empty has no part.

    Args:
        paths: CSV files with ``image``, ``side``, ``spacing_mm``, ``x0,y0..x15,y15`` and, where wanted, ``kl``. Cells
            of a landmark that is not marked are empty; ``row_spacing_mm``, if pixels are not square. Or folders of
            corrections (:func:`kneebundle.annotation.read_corrections`); what is open or rejected there is left out.

    Returns:
        Each knee once, in the order in which the tables name them.

    Raises:
        KneeBundleError: if a table cannot be read or used, names a knee twice, or states another pixel size than the
            one before it.
    """
    readings: dict[tuple[str, str], list[LabelledKnee]] = {}
    for path in paths:
        knees = _read_reading(path)
        for key, knee in knees.items():
            others = readings.setdefault(key, [])
            if others and not np.allclose(others[0].spacing_mm, knee.spacing_mm, rtol=1e-3):
                raise KneeBundleError(
                    f"{knee.image} {knee.side}: spacing_mm is {knee.spacing_mm[0]}, in another reading "
                    f"{others[0].spacing_mm[0]}; correct one of them",
                    path,
                )
            others.append(knee)
    return [_average(knees) for knees in readings.values()]


def _average(knees: Sequence[LabelledKnee]) -> LabelledKnee:
    points = np.stack([knee.points for knee in knees])
    marked = np.isfinite(points)
    count = marked.sum(axis=0)
    mean = np.where(count > 0, np.where(marked, points, 0.0).sum(axis=0) / np.maximum(count, 1), np.nan)
    mm = np.array(knees[0].spacing_mm[::-1])
    pairs = [np.linalg.norm((first - second) * mm, axis=-1) for first, second in combinations(points, 2)]
    between = np.full(len(_IDS), np.nan)
    if pairs:
        distances = np.stack(pairs)
        known = np.isfinite(distances)
        some = known.any(axis=0)
        between[some] = np.where(known, distances, 0.0).sum(axis=0)[some] / known.sum(axis=0)[some]
    first = knees[0]
    grade = next((knee.grade for knee in knees if knee.grade), "")
    return LabelledKnee(first.image, first.side, grade, first.spacing_mm, mean, between)


def _read_reading(path: Path) -> dict[tuple[str, str], LabelledKnee]:
    if path.is_dir():
        return _read_corrected(path)
    rows = read_table(path, ["image", "side", "spacing_mm", *KNEE_PA.columns])
    if not rows:
        raise KneeBundleError("the table has no rows; a row for each labelled knee is needed", path)
    knees: dict[tuple[str, str], LabelledKnee] = {}
    for line, row in number_rows(rows):
        spacing_mm = parse_number(row, "spacing_mm", line, path)
        if spacing_mm <= 0:
            raise KneeBundleError(f"line {line}: spacing_mm is {spacing_mm}; it must be above 0", path)
        points = np.array([_read_point(row, i, line, path) for i in _IDS])
        if not np.isfinite(points).any():
            raise KneeBundleError(f"line {line}: no landmark is marked; take the row out or mark one", path)
        key = row["image"], parse_side(row, "side", path)
        if key in knees:
            raise KneeBundleError(f"line {line}: {' '.join(key)} has a row already; give each knee once", path)
        nothing = np.full(len(_IDS), np.nan)
        row_mm = parse_number(row, "row_spacing_mm", line, path) if row.get("row_spacing_mm") else spacing_mm
        knees[key] = LabelledKnee(*key, row.get("kl", ""), (row_mm, spacing_mm), points, nothing)
    return knees


def _read_corrected(folder: Path) -> dict[tuple[str, str], LabelledKnee]:
    """The knees that a person accepted or corrected."""
    knees: dict[tuple[str, str], LabelledKnee] = {}
    for correction in read_corrections(folder):
        for knee in correction.knees:
            if knee.is_decided and knee.points is not None:
                key = str(correction.image["path"]), str(knee.side)
                nothing = np.full(len(_IDS), np.nan)
                knees[key] = LabelledKnee(*key, "", correction.spacing_mm, knee.points, nothing)
    if not knees:
        raise KneeBundleError("no knee was accepted or corrected in this folder; decide about some first", folder)
    return knees


def _read_point(row: dict[str, str], landmark: int, line: int, path: Path) -> list[float]:
    x, y = f"x{landmark}", f"y{landmark}"
    if not row[x] and not row[y]:
        return [np.nan, np.nan]
    return [parse_number(row, column, line, path) for column in (x, y)]


def read_predicted_landmarks(path: Path) -> dict[tuple[Path, str], np.ndarray]:
    """Read what was predicted.

    Args:
        path: the ``landmarks.csv`` of a prediction; its lateral radiographs are passed over.

    Returns:
        (N, 3) x, y in pixels and confidence of each knee, by path and side.

    Raises:
        KneeBundleError: if it cannot be read or used.
    """
    if not path.is_file():
        raise KneeBundleError(
            "there is no such table; the folder of a prediction with the format csv is needed", path, "predictions"
        )
    knees: dict[tuple[Path, str], np.ndarray] = {}
    for line, row in number_rows(read_table(path, ["path", "side", "landmark", "x_px", "y_px"])):
        if row.get("name") in _LATERAL_NAMES:
            continue
        landmark = parse_number(row, "landmark", line, path)
        if landmark not in _IDS:
            raise KneeBundleError(f"line {line}: landmark is {row['landmark']}; 0 to {len(_IDS) - 1} are known", path)
        knee = knees.setdefault((Path(row["path"]), row["side"]), np.full((len(_IDS), 3), np.nan))
        knee[int(landmark), :2] = parse_number(row, "x_px", line, path), parse_number(row, "y_px", line, path)
        if row.get("confidence"):
            knee[int(landmark), 2] = parse_number(row, "confidence", line, path)
    return knees


def read_predicted_spacing(path: Path) -> dict[tuple[Path, str], tuple[float, float]]:
    """Read the size of a pixel (row, column) that predictions were made with, from their points in px and in mm.

    Args:
        path: the ``landmarks.csv`` of a prediction.

    Returns:
        By path and side; a knee whose mm are not there, or too near the border to tell, is left out.
    """
    found: dict[tuple[Path, str], list[list[float]]] = {}
    for row in read_table(path, ["path", "side"]):
        cells = [row.get(name, "") for name in ("y_px", "y_mm", "x_px", "x_mm")]
        if row.get("name") not in _LATERAL_NAMES and all(cells):
            line = row.line
            numbers = [parse_number(row, name, line, path) for name in ("y_px", "y_mm", "x_px", "x_mm")]
            found.setdefault((Path(row["path"]), row["side"]), []).append(numbers)
    spacing: dict[tuple[Path, str], tuple[float, float]] = {}
    for key, rows in found.items():
        y, y_mm, x, x_mm = np.abs(np.array(rows)).max(axis=0)
        if min(y, x) >= _LEAST_PX:
            spacing[key] = float(y_mm / y), float(x_mm / x)
    return spacing
