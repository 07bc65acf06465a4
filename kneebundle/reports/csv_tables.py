"""The tables over all radiographs of a run: ``landmarks.csv``, ``measurements.csv`` and ``errors.csv``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from kneebundle.io.tables import write_table
from kneebundle.landmarks import KNEE_LATERAL

__all__ = ["write_errors", "write_landmarks", "write_measurements"]

LANDMARK_COLUMNS = ("path", "side", "landmark", "name", "x_px", "y_px", "x_mm", "y_mm", "confidence", "radius_mm")
MEASUREMENT_COLUMNS = ("path", "side", "name", "value", "unit")
ERROR_COLUMNS = ("path", "reason")
SCHOETTLE_ID = len(KNEE_LATERAL)


def write_landmarks(documents: Iterable[dict[str, Any]], path: Path) -> None:
    """Write a row for each landmark.

    Args:
        documents: of :func:`kneebundle.reports.json_report.to_document`; the rows come in their order.
        path: of the CSV file.
    """
    write_table(path, LANDMARK_COLUMNS, _list_landmarks(documents))


def write_measurements(documents: Iterable[dict[str, Any]], path: Path) -> None:
    """Write a row for each measurement, in the order of the documents."""
    write_table(path, MEASUREMENT_COLUMNS, _list_measurements(documents))


def write_errors(errors: Iterable[tuple[str, str]], path: Path) -> None:
    """Write a row for each image without a result: its path and the reason, one line."""
    write_table(path, ERROR_COLUMNS, errors)


def _list_landmarks(documents: Iterable[dict[str, Any]]) -> Iterator[list[Any]]:
    for document in documents:
        for side, points in _list_points(document):
            for point in points:
                values = [point[key] for key in ("id", "name", "x_px", "y_px", "x_mm", "y_mm", "confidence")]
                yield [document["image"]["path"], side, *values, point.get("radius_mm")]


def _list_points(document: dict[str, Any]) -> Iterator[tuple[str | None, list[dict[str, Any]]]]:
    """Side and points of each knee of a radiograph; those of a lateral film end with the Schoettle point."""
    for knee in document.get("knees", ()):
        yield knee["side"], knee["landmarks"]
    if "planning" in document:
        planning = document["planning"]
        drawn = planning["schoettle_point"]
        # its radius_mm is that of a circle of the plan, not of the uncertainty
        names = {"id": SCHOETTLE_ID, "name": "schoettle_point", "confidence": None, "radius_mm": None}
        last = [] if drawn is None else [{**drawn, **names}]
        yield planning["side"], [*planning["landmarks"], *last]


def _list_measurements(documents: Iterable[dict[str, Any]]) -> Iterator[list[Any]]:
    for document in documents:
        for side, measurements in _list_measured(document):
            for name, measurement in measurements.items():
                yield [document["image"]["path"], side, name, measurement["value"], measurement["unit"]]


def _list_measured(document: dict[str, Any]) -> Iterator[tuple[str | None, dict[str, dict[str, Any]]]]:
    for knee in document.get("knees", ()):
        yield knee["side"], knee["measurements"]
    if "planning" in document:
        yield document["planning"]["side"], document["planning"]["measurements"]
