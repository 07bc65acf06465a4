"""The tables over all radiographs of a run: ``landmarks.csv``, ``measurements.csv``, ``images.csv``, ``errors.csv``.

The column ``flags`` has the codes (:data:`kneebundle.results.FLAG_CODES`) of the knee and of its radiograph, joined by
``;``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from kneebundle.io.tables import write_table
from kneebundle.landmarks import KNEE_LATERAL

__all__ = ["KEPT", "write_errors", "write_images", "write_landmarks", "write_measurements"]

KEPT = "the earlier result is kept"
"""What the reason of a refusal ends with where there is a result of an earlier run."""
LANDMARK_COLUMNS = (
    *("path", "side", "landmark", "name", "x_px", "y_px", "x_mm", "y_mm"),
    *("confidence", "radius_mm", "flags"),
)
MEASUREMENT_COLUMNS = ("path", "side", "name", "value", "unit", "uncertainty", "source", "flags")
IMAGE_COLUMNS = ("path", "status", "view", "knees", "flags", "reason")
ERROR_COLUMNS = ("path", "reason")
_Measured = tuple[str | None, dict[str, dict[str, Any]], str]
SCHOETTLE_ID = len(KNEE_LATERAL)


def write_landmarks(documents: Iterable[dict[str, Any]], path: Path) -> None:
    """Write a row for each landmark.

    Args:
        documents: of :func:`kneebundle.reports.json_report.to_document`; the rows come in their order.
        path: of the CSV file.
    """
    write_table(path, LANDMARK_COLUMNS, _list_landmarks(documents))


def write_measurements(documents: Iterable[dict[str, Any]], path: Path) -> None:
    """Write a row for each measurement, in the order of the documents; what could not be measured has no value."""
    write_table(path, MEASUREMENT_COLUMNS, _list_measurements(documents))


def write_images(documents: Iterable[dict[str, Any]], errors: Iterable[tuple[str, str]], path: Path) -> None:
    """Write a row for each image, whatever was found on it.

    ``status`` is ``done`` (also without one of the formats), ``refused`` or, where an earlier result stays, ``kept``;
    ``knees`` is how many have landmarks (of a lateral film: 1 where the Schoettle point was found); ``reason`` says why
    there is no result or no plan.

    Args:
        documents: of :func:`kneebundle.reports.json_report.to_document`.
        errors: path and reason of each image that was refused.
        path: of the CSV file.
    """
    write_table(path, IMAGE_COLUMNS, _list_images(documents, dict(errors)))


def write_errors(errors: Iterable[tuple[str, str]], path: Path) -> None:
    """Write a row for each image without a result: its path and the reason, one line."""
    write_table(path, ERROR_COLUMNS, errors)


def _list_landmarks(documents: Iterable[dict[str, Any]]) -> Iterator[list[Any]]:
    for document in documents:
        for side, points, flags in _list_points(document):
            for point in points:
                values = [point[key] for key in ("id", "name", "x_px", "y_px", "x_mm", "y_mm", "confidence")]
                yield [document["image"]["path"], side, *values, point.get("radius_mm"), flags]


def _list_points(document: dict[str, Any]) -> Iterator[tuple[str | None, list[dict[str, Any]], str]]:
    """Side, points and flags of each knee of a radiograph; those of a lateral film end with the Schoettle point."""
    for knee in document.get("knees", ()):
        yield knee["side"], knee["landmarks"], _join_flags(document, knee)
    if "planning" in document:
        planning = document["planning"]
        drawn = planning["schoettle_point"]
        # its radius_mm is that of a circle of the plan, not of the uncertainty
        names = {"id": SCHOETTLE_ID, "name": "schoettle_point", "confidence": None, "radius_mm": None}
        last = [] if drawn is None else [{**drawn, **names}]
        yield planning["side"], [*planning["landmarks"], *last], _join_flags(document)


def _list_measurements(documents: Iterable[dict[str, Any]]) -> Iterator[list[Any]]:
    for document in documents:
        for side, measurements, flags in _list_measured(document):
            for name, measurement in measurements.items():
                further = (measurement.get("uncertainty"), measurement.get("source"))
                yield [
                    document["image"]["path"],
                    side,
                    name,
                    measurement["value"],
                    measurement["unit"],
                    *further,
                    flags,
                ]


def _list_measured(document: dict[str, Any]) -> Iterator[_Measured]:
    for knee in document.get("knees", ()):
        yield knee["side"], knee["measurements"], _join_flags(document, knee)
    if "planning" in document:
        yield document["planning"]["side"], document["planning"]["measurements"], _join_flags(document)


def _list_images(documents: Iterable[dict[str, Any]], refused: dict[str, str]) -> Iterator[list[Any]]:
    for document in documents:
        path, planning = document["image"]["path"], document.get("planning")
        if planning is None:
            knees, why = sum(bool(knee["landmarks"]) for knee in document["knees"]), None
        else:
            knees, why = int(planning["schoettle_point"] is not None), planning["refused"]
        status = "kept" if refused.get(path, "").endswith(KEPT) else "done"
        flags = _join_flags(document, *document.get("knees", ()))
        yield [path, status, document["image"].get("view"), knees, flags, refused.pop(path, why)]
    for path, reason in refused.items():
        yield [path, "refused", None, 0, "", reason]


def _join_flags(document: dict[str, Any], *knees: dict[str, Any]) -> str:
    """The codes of a radiograph and of some of its knees, each once."""
    flags = [flag["code"] for about in (document, *knees) for flag in about.get("flags", ())]
    return ";".join(dict.fromkeys(flags))
