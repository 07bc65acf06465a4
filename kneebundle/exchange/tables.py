"""The package's own tables: landmarks.csv of a prediction, and the labels that an evaluation compares with."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from kneebundle.errors import KneeBundleError
from kneebundle.exchange.attributes import format_number, parse_optional
from kneebundle.exchange.documents import (
    LATERAL_NAMES,
    Document,
    ImageFacts,
    Mark,
    list_marks,
    make_document,
    read_facts,
)
from kneebundle.exchange.images import Images
from kneebundle.io.tables import number_rows, parse_number, read_table, write_table
from kneebundle.landmarks import KNEE_PA

__all__ = ["LANDMARK_KEYS", "TRUTH_KEYS", "read_landmark_table", "read_truth", "write_truth"]

LANDMARK_KEYS = ("path", "side", "landmark", "name", "x_px", "y_px")
TRUTH_KEYS = ("image", "side", "spacing_mm", *KNEE_PA.columns)
_ROW_SPACING = "row_spacing_mm"
_SPACING_DECIMALS = 5
_CARRIED = ("confidence", "radius_mm")
_CARRIED_COLUMNS = [f"{name}{number}" for name in _CARRIED for number in range(len(KNEE_PA))]


def read_landmark_table(path: Path, images: Images) -> list[Document]:
    """Read landmarks.csv; without the images the size of a pixel follows from the points in px and in mm.

    Raises:
        KneeBundleError: if it is something else.
    """
    marks: dict[str, list[Mark]] = {}
    rows: dict[str, list[dict[str, str]]] = {}
    for line, row in number_rows(read_table(path, LANDMARK_KEYS)):
        if row["name"] not in (*KNEE_PA.names, *LATERAL_NAMES):
            raise KneeBundleError(f"line {line}: there is no landmark {row['name']!r}", path)
        x, y = (parse_number(row, column, line, path) for column in ("x_px", "y_px"))
        further = (parse_optional(row.get(key), f"line {line}: {key}", path) for key in ("confidence", "radius_mm"))
        marks.setdefault(row["path"], []).append(Mark(row["side"] or None, row["name"], x, y, *further))
        rows.setdefault(row["path"], []).append(row)
    return [make_document(_find_facts(name, rows[name], images), own) for name, own in marks.items()]


def _find_facts(name: str, rows: Sequence[Mapping[str, str]], images: Images) -> ImageFacts:
    facts = images.complete(ImageFacts(path=name))
    if facts.spacing_mm is not None:
        return facts
    row_mm, column_mm = _find_spacing(rows, "y"), _find_spacing(rows, "x")
    spacing = None if row_mm is None or column_mm is None else (row_mm, column_mm)
    return replace(facts, spacing_mm=spacing, spacing_source=None if spacing is None else "table")


def _find_spacing(rows: Sequence[Mapping[str, str]], axis: str) -> float | None:
    """The size of a pixel along an axis, from the point that is farthest out."""
    pairs = [(float(row[f"{axis}_px"]), float(row[f"{axis}_mm"])) for row in rows if row.get(f"{axis}_mm")]
    px, mm = max(pairs, key=lambda pair: abs(pair[0]), default=(0.0, 0.0))
    return round(mm / px, _SPACING_DECIMALS) if px and mm / px > 0 else None


def write_truth(documents: Sequence[Document], path: Path, images: Images) -> list[str]:
    """Write the table that ``evaluate`` compares predictions with; a missing point is an empty cell.

    The column ``row_spacing_mm`` is there if an image has pixels that are not square; ``spacing_mm`` is their width.
    Confidence and radius, which no evaluation looks at, are in further columns where they are known.

    Returns:
        The images that are left out, because they are lateral.

    Raises:
        KneeBundleError: if the size of a pixel is not known.
    """
    rows: list[dict[str, str]] = []
    left_out = []
    for document in documents:
        if "planning" in document:
            left_out.append(str(document["image"]["path"]))
            continue
        rows += _make_truth_rows(document, images)
    uneven = any(row[_ROW_SPACING] != row["spacing_mm"] for row in rows)
    known = [column for column in _CARRIED_COLUMNS if any(row[column] for row in rows)]
    columns = [*TRUTH_KEYS[:3], *([_ROW_SPACING] if uneven else []), *KNEE_PA.columns, *known]
    write_table(path, columns, [[row[column] for column in columns] for row in rows])
    return left_out


def _make_truth_rows(document: Document, images: Images) -> list[dict[str, str]]:
    marks = list_marks(document)
    facts = images.complete(read_facts(document))
    if marks and facts.spacing_mm is None:
        raise KneeBundleError("the size of a pixel is not known, and the table needs it", facts.path, "spacing_mm")
    rows = []
    for side in dict.fromkeys(mark.side for mark in marks):
        assert facts.spacing_mm is not None
        row: dict[str, Any] = dict.fromkeys((*KNEE_PA.columns, *_CARRIED_COLUMNS), "")
        row |= {"image": facts.path, "side": side}
        row |= {"spacing_mm": format_number(facts.spacing_mm[1]), _ROW_SPACING: format_number(facts.spacing_mm[0])}
        for mark in marks:
            if mark.side == side:
                row |= {f"x{mark.id}": format_number(mark.x), f"y{mark.id}": format_number(mark.y)}
                row |= {f"{name}{mark.id}": format_number(getattr(mark, name)) for name in _CARRIED}
        rows.append(row)
    return rows


def read_truth(path: Path, images: Images) -> list[Document]:
    """Read a table of labels of knees from the front; an empty cell is a missing point.

    Raises:
        KneeBundleError: if it is something else.
    """
    marks: dict[str, list[Mark]] = {}
    spacings: dict[str, tuple[float, float]] = {}
    for line, row in number_rows(read_table(path, TRUTH_KEYS)):
        spacing_mm = parse_number(row, "spacing_mm", line, path)
        row_mm = parse_number(row, _ROW_SPACING, line, path) if row.get(_ROW_SPACING) else spacing_mm
        spacings[row["image"]] = (row_mm, spacing_mm)
        marks.setdefault(row["image"], []).extend(_read_truth_row(row, line, path))
    return [
        make_document(images.complete(ImageFacts(name, spacing_mm=spacings[name], spacing_source="table")), own)
        for name, own in marks.items()
    ]


def _read_truth_row(row: Mapping[str, str], line: int, path: Path) -> list[Mark]:
    cells = [parse_optional(row[column], f"line {line}: {column}", path) for column in KNEE_PA.columns]
    points = np.array([math.nan if cell is None else cell for cell in cells]).reshape(-1, 2)
    half = np.flatnonzero(np.isfinite(points).sum(axis=1) == 1)
    if half.size:
        raise KneeBundleError(f"line {line}: of landmark {half[0]} only one of x and y is there", path)
    carried = [
        [parse_optional(row.get(f"{name}{number}"), f"line {line}: {name}{number}", path) for name in _CARRIED]
        for number in range(len(KNEE_PA))
    ]
    return [
        Mark(row["side"], KNEE_PA.names[number], float(x), float(y), *carried[number])
        for number, (x, y) in enumerate(points)
        if math.isfinite(x)
    ]
