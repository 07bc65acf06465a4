"""KNEEL's 748 manual annotations of the Osteoarthritis Initiative's knees (doi 10.1109/ICCVW.2019.00046)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kneebundle.errors import KneeBundleError
from kneebundle.io.tables import read_table
from kneebundle.landmarks import KNEE_PA

__all__ = ["ANNOTATION_MM", "Annotation", "read_annotations"]

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
        KneeBundleError: if the file cannot be read or lacks a column, or naming the line of a wrong cell.
    """
    rows = read_table(path, ["subject_id", "side", "kl", "tibia", "femur", "bbox", "center"])
    return {
        (row["subject_id"], row["side"]): Annotation(
            subject=row["subject_id"],
            side=_parse_side(row, line, path),
            grade=row["kl"],
            points=np.concatenate(
                [_parse_numbers(row, "tibia", 18, line, path), _parse_numbers(row, "femur", 14, line, path)]
            ).reshape(len(KNEE_PA), 2),
            box=_parse_numbers(row, "bbox", 4, line, path),
            center=_parse_numbers(row, "center", 2, line, path),
        )
        for line, row in enumerate(rows, start=2)
    }


def _parse_side(row: dict[str, str], line: int, path: Path) -> str:
    if row["side"] not in ("R", "L"):
        raise KneeBundleError(f"line {line}: side is {row['side']!r}; R or L is needed", path)
    return row["side"]


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
