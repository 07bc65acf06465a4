"""What raters marked on lateral films, and what was predicted on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kneebundle.annotation.corrections import read_corrections
from kneebundle.datasets.lateral_masks import read_mask, read_masks
from kneebundle.datasets.lateral_points import find_masks, read_point_table
from kneebundle.errors import KneeBundleError
from kneebundle.landmarks import BONES, KNEE_LATERAL
from kneebundle.measurements.schoettle import SchoettlePlan, plan_by_hand

__all__ = [
    "PredictedRadiograph",
    "RatedRadiograph",
    "find_truth_kinds",
    "is_planning_truth",
    "read_predicted_radiographs",
    "read_rated_radiographs",
    "read_true_masks",
]


@dataclass(frozen=True)
class RatedRadiograph:
    """A lateral film as one rater marked it.

    Attributes:
        image: as the table names it.
        rater: by name.
        spacing_mm: (row, column); None: that of the prediction is used.
        landmarks: (2, 2) ``p_blum`` and ``p_tmc`` in pixels of the image as stored, NaN where not marked.
        cortex_line: (2, 2) ``p_prox`` and ``p_dist``.
        suitable: whether the rater held the film to be fit for planning.
        folder: that of the table.
    """

    image: str
    rater: str
    spacing_mm: tuple[float, float] | None
    landmarks: np.ndarray
    cortex_line: np.ndarray
    suitable: bool
    folder: Path

    def plan(self, femur: np.ndarray, spacing_mm: tuple[float, float]) -> SchoettlePlan:
        """Draw the Schoettle construction from these points; ``femur`` is a mask (H, W) of the image."""
        return plan_by_hand(femur, self.landmarks, self.cortex_line, spacing_mm)


@dataclass(frozen=True)
class PredictedRadiograph:
    """What was predicted on a lateral film, in pixels of the image as stored.

    Attributes:
        path: of the image.
        shape: (rows, columns) of the image.
        spacing_mm: (row, column) that the prediction rests on.
        planning: the part of the JSON file.
        folder: where its files are.
    """

    path: Path
    shape: tuple[int, int]
    spacing_mm: tuple[float, float]
    planning: Mapping[str, Any]
    folder: Path

    @property
    def landmarks(self) -> np.ndarray:
        """(2, 2) ``p_blum`` and ``p_tmc``; NaN where not found."""
        found = {point["name"]: (point["x_px"], point["y_px"]) for point in self.planning["landmarks"]}
        return np.array([found.get(name, (np.nan, np.nan)) for name in KNEE_LATERAL.names], dtype=np.float64)

    @property
    def point(self) -> np.ndarray:
        """(2,) the Schoettle point; NaN where there is none."""
        point = self.planning["schoettle_point"]
        return np.full(2, np.nan) if point is None else np.array([point["x_px"], point["y_px"]], dtype=np.float64)

    @property
    def tangent(self) -> tuple[np.ndarray, np.ndarray]:
        """A point of LM1 and its direction, (2,) each; NaN where there is none."""
        line = self.planning["lines"].get("LM1", {"point_px": [np.nan] * 2, "direction": [np.nan] * 2})
        return np.array(line["point_px"], dtype=np.float64), np.array(line["direction"], dtype=np.float64)

    def masks(self) -> np.ndarray | None:
        """Read the masks, (4, H, W) bool, empty for a bone that was not found; None where no masks were written.

        Raises:
            KneeBundleError: if a mask cannot be read.
        """
        names = self.planning["masks"]
        if any(name is None for name in names.values()):
            return None
        masks = np.zeros((len(BONES), *self.shape), dtype=bool)
        for number, bone in enumerate(BONES):
            if bone in names:
                masks[number] = read_mask(self.folder / names[bone], self.shape)
        return masks


def is_planning_truth(path: Path) -> bool:
    """Whether a table, or a folder of corrections, has points of lateral films, and no landmarks of PA knees."""
    return find_truth_kinds(path) == {"planning"}


def find_truth_kinds(path: Path) -> set[str]:
    """Find out what a truth is about: ``"knees"`` from the front, ``"planning"`` or, in a folder of corrections, both.

    Raises:
        KneeBundleError: if there are no corrections in the folder.
    """
    if path.is_dir():
        decided = [c for c in read_corrections(path) if any(item.is_decided for item in c.items)]
        return {"knees" if c.lateral is None else "planning" for c in decided} or {"knees"}
    return {"planning"} if _has_planning_columns(path) else {"knees"}


def _has_planning_columns(path: Path) -> bool:
    try:
        with path.open(encoding="utf-8-sig") as stream:
            return "p_blum_x" in [name.strip() for name in stream.readline().split(",")]
    except (OSError, UnicodeDecodeError):
        return False


def read_rated_radiographs(tables: Sequence[Path]) -> list[RatedRadiograph]:
    """Read the tables of one or several raters.

    Args:
        tables: CSV files as :func:`kneebundle.datasets.lateral_points.read_point_table` reads them. A table without a
            column ``rater`` is that of one rater, who is named after the file. Or folders of corrections; what is open
            or rejected there is left out.

    Raises:
        KneeBundleError: if a table cannot be used, or if a rater has an image twice.
    """
    films: dict[tuple[str, str], RatedRadiograph] = {}
    for table in tables:
        for film in _read_corrected(table) if table.is_dir() else _read_rows(table):
            if (film.image, film.rater) in films:
                raise KneeBundleError(f"{film.image} is there twice for rater {film.rater}; give it once", table)
            films[film.image, film.rater] = film
    return list(films.values())


def _read_rows(table: Path) -> list[RatedRadiograph]:
    return [
        RatedRadiograph(
            image=row["image"],
            rater=row["rater"] or table.stem,
            spacing_mm=None if row["spacing_mm"] is None else (row["spacing_mm"], row["spacing_mm"]),
            landmarks=row["landmarks"],
            cortex_line=row["cortex_line"],
            suitable=row["suitable"],
            folder=table.parent,
        )
        for row in read_point_table(table)
    ]


def _read_corrected(folder: Path) -> list[RatedRadiograph]:
    """The lateral films whose points a person accepted or corrected."""
    count = len(KNEE_LATERAL)
    return [
        RatedRadiograph(
            image=str(correction.image["path"]),
            rater=correction.rater or folder.name,
            spacing_mm=correction.spacing_mm,
            landmarks=correction.lateral.points[:count],
            cortex_line=correction.lateral.points[count:],
            suitable=True,
            folder=folder,
        )
        for correction in read_corrections(folder)
        if correction.lateral is not None and correction.lateral.is_decided and correction.lateral.points is not None
    ]


def read_predicted_radiographs(folder: Path) -> list[PredictedRadiograph]:
    """Read the lateral films that a folder has JSON files of.

    Raises:
        KneeBundleError: if there are none.
    """
    from kneebundle.reports.json_report import read_document

    documents = [read_document(path) for path in sorted(folder.glob("[!.]*.json"))]
    films = [_parse(document, folder) for document in documents if document and "planning" in document]
    if not films:
        raise KneeBundleError(
            "there are no predictions on lateral films; the folder of a prediction with the formats json and png is "
            "needed",
            folder,
            "predictions",
        )
    return films


def _parse(document: Mapping[str, Any], folder: Path) -> PredictedRadiograph:
    image = document["image"]
    row_mm, column_mm = image["spacing_mm"]
    shape = (int(image["rows"]), int(image["columns"]))
    return PredictedRadiograph(Path(image["path"]), shape, (row_mm, column_mm), document["planning"], folder)


def read_true_masks(film: RatedRadiograph, shape: tuple[int, int]) -> np.ndarray | None:
    """Read the masks, (4, H, W) bool, from the folder ``masks`` beside the table; None where there is none.

    Args:
        film: of the table.
        shape: (H, W) of the image as stored.

    Raises:
        KneeBundleError: if a mask is not there, cannot be read or is of another size.
    """
    folder = film.folder / "masks"
    return read_masks(find_masks(folder, film.image), shape) if folder.is_dir() else None
