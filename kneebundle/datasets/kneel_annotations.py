"""KNEEL's 748 manual annotations of the Osteoarthritis Initiative's knees (doi 10.1109/ICCVW.2019.00046)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kneebundle.errors import KneeBundleError
from kneebundle.io.tables import TableRow, number_rows, parse_side, read_table
from kneebundle.landmarks import KNEE_PA

__all__ = ["ANNOTATION_MM", "ANNOTATION_FILE", "Annotation", "parse_subject", "read_annotations"]

ANNOTATION_FILE = "bf_landmarks_1_0.3.csv"
"""Name of the annotation file in the folder annotations/ of https://github.com/MIPT-Oulu/KNEEL."""

ANNOTATION_MM = 0.3
"""Size of a pixel of everything in the annotation file."""


@dataclass(frozen=True)
class Annotation:
    """A knee of the annotation file.

    Attributes:
        subject: of the OAI.
        side: ``"R"`` or ``"L"``.
        grade: Kellgren-Lawrence, as text.
        points: (16, 2) x, y in 0.3 mm pixels of a 140 x 140 mm crop, left knees mirrored to look like right ones.
        box: (4,) left, top, right, bottom of that crop in the 0.3 mm image of the whole film.
        center: (2,) x, y of the tibial centre in that image.
    """

    subject: str
    side: str
    grade: str
    points: np.ndarray
    box: np.ndarray
    center: np.ndarray

    @property
    def film_points(self) -> np.ndarray:
        """(16, 2) x, y in 0.3 mm pixels of the whole film.

        A left knee's crop of width W was mirrored by x -> W - x: that is what makes landmark 4 of the left knees of the
        file agree with ``center``, to the rounding of both.
        """
        width = self.box[2] - self.box[0]
        points = self.points if self.side == "R" else self.points * [-1, 1] + [width, 0]
        return points + self.box[:2]


def read_annotations(path: Path) -> dict[tuple[str, str], Annotation]:
    """Read the knees of the annotation file.

    Returns:
        By subject and side.

    Raises:
        KneeBundleError: if the file cannot be read or lacks a column, or naming the line of a wrong cell or of a knee
            that is listed twice.
    """
    knees: dict[tuple[str, str], Annotation] = {}
    lines: dict[tuple[str, str], int] = {}
    for line, row in number_rows(read_table(path, ["subject_id", "side", "kl", "tibia", "femur", "bbox", "center"])):
        points = [_parse_numbers(row, "tibia", 18, line, path), _parse_numbers(row, "femur", 14, line, path)]
        knee = Annotation(
            subject=parse_subject(row, "subject_id", path),
            side=parse_side(row, "side", path),
            grade=row["kl"].removesuffix(".0"),
            points=np.concatenate(points).reshape(len(KNEE_PA), 2),
            box=_parse_numbers(row, "bbox", 4, line, path),
            center=_parse_numbers(row, "center", 2, line, path),
        )
        key = (knee.subject, knee.side)
        if key in lines:
            raise KneeBundleError(
                f"line {line}: knee {knee.side} of subject {knee.subject} is in line {lines[key]} already; leave one",
                path,
            )
        knees[key], lines[key] = knee, line
    return knees


def parse_subject(row: TableRow, column: str, path: Path) -> str:
    """Parse the number of a subject in a cell, also where a spreadsheet has made 9000099.0 or 9.000099E+06 of it.

    Raises:
        KneeBundleError: if the cell holds anything that is no name of a file; it names the line.
    """
    text = row[column]
    if re.fullmatch(r"\d+(\.\d*)?([eE]\+?\d{1,2})?", text) and float(text).is_integer():
        return text if text.isdigit() else str(int(float(text)))
    if not re.fullmatch(r"[\w-]+", text, re.ASCII):
        raise KneeBundleError(f"line {row.line}: {column} is {text!r}; the number of a subject is needed", path)
    return text


def _parse_numbers(row: dict[str, str], column: str, count: int, line: int, path: Path) -> np.ndarray:
    try:
        values = np.array([float(text) for text in row[column].split(",")])
    except ValueError:
        values = np.array([])
    if len(values) != count or not np.isfinite(values).all():
        raise KneeBundleError(
            f"line {line}: {column} is {row[column]!r}; {count} numbers joined by commas are needed", path
        )
    return values
