"""``index.html``: all knees of an output folder in one table, to sort, to filter and to see as histograms."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from kneebundle.io.writing import remove_leftovers, write_atomically
from kneebundle.reports.html.labels import label_measurement
from kneebundle.reports.html.pictures import THUMBNAILS, name_thumbnail
from kneebundle.reports.html.templates import embed_json, fill_page

__all__ = ["REFUSED", "render_index", "write_index"]

REFUSED = "refused"
"""What stands in place of a flag's code for an image without a result."""

_COLUMNS = 4
_PREFERRED = (
    "joint_space_width_medial_minimum",
    "joint_space_width_lateral_minimum",
    "joint_line_convergence_angle",
    "anatomical_tibiofemoral_angle",
    "tibial_plateau_width",
    "schoettle_circle_radius",
)
_PLACES = {"mm": 3, "deg": 2}


def write_index(records: Mapping[str, Mapping[str, Any]], errors: Sequence[tuple[str, str]], folder: Path) -> None:
    """Write ``index.html`` over the records of an output folder, atomically.

    Args:
        records: documents of :func:`kneebundle.reports.json_report.to_document` by the name of their files.
        errors: path and reason of each image without a result.
        folder: the output folder; a page or thumbnail that is not there is not referred to.
    """
    remove_leftovers(folder / THUMBNAILS)
    pages = {path.stem for path in folder.glob("*.html")}
    thumbnails = {path.stem for path in (folder / THUMBNAILS).glob("*.jpg")}
    with write_atomically(folder / "index.html") as temporary:
        temporary.write_text(render_index(records, errors, pages, thumbnails), encoding="utf-8")


def render_index(
    records: Mapping[str, Mapping[str, Any]],
    errors: Iterable[tuple[str, str]],
    pages: set[str],
    thumbnails: set[str],
) -> str:
    """Render the index.

    Args:
        records: documents by name.
        errors: path and reason of each image without a result.
        pages: names that have a page.
        thumbnails: names that have a thumbnail.

    Returns:
        HTML that loads the thumbnails beside it and nothing else.
    """
    units = _list_units(records.values())
    rows = [row for name, record in records.items() for row in _list_rows(name, record, units, pages, thumbnails)]
    rows += [_make_row("", path, flags=[(REFUSED, reason)]) for path, reason in errors]
    columns = [name for name in _PREFERRED if name in units]
    columns += [name for name in units if name not in columns]
    data = {
        "measurements": [
            {"name": name, "label": label_measurement(name), "unit": unit} for name, unit in units.items()
        ],
        "columns": [list(units).index(name) for name in columns[:_COLUMNS]],
        "rows": rows,
    }
    return fill_page("index", images="'self' file: data:", data=embed_json(data), count=str(len(records)))


def _list_units(documents: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Units of all measurements by name, in the order in which they appear."""
    units: dict[str, str] = {}
    for document in documents:
        for measurements in _list_measurements(document):
            for name, measurement in measurements.items():
                units.setdefault(name, measurement["unit"])
    return units


def _list_measurements(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from (knee["measurements"] for knee in document.get("knees", ()))
    if "planning" in document:
        yield document["planning"]["measurements"]


def _list_rows(
    name: str, document: Mapping[str, Any], units: Mapping[str, str], pages: set[str], thumbnails: set[str]
) -> Iterator[dict[str, Any]]:
    """A row for each knee of a radiograph; one for a lateral radiograph, or for one on which no knee was found."""
    image = document["image"]
    about = {
        "path": image["path"],
        "view": image["view"],
        "page": _quote(f"{name}.html") if name in pages else None,
        "picture": _quote(name_thumbnail(name)) if name in thumbnails else None,
    }
    flags = _list_flags(document)
    planning = document.get("planning")
    if planning is not None:
        refused = [("not_planned", planning["refused"])] if planning["refused"] else []
        found = bool(planning["schoettle_point"])
        yield _make_row(name, flags=[*flags, *refused], units=units, knee=planning, found=found, **about)
        return
    knees = document["knees"]
    for knee in knees:
        found = bool(knee["landmarks"])
        yield _make_row(name, flags=[*flags, *_list_flags(knee)], units=units, knee=knee, found=found, **about)
    if not knees:
        yield _make_row(name, flags=flags, **about)


def _quote(file: str) -> str:
    """The address of a file beside the index; its name need not be UTF-8."""
    return quote(os.fsencode(file), safe="/")


def _list_flags(holder: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(flag["code"], flag["message"]) for flag in holder["flags"]]


def _make_row(
    name: str,
    path: str,
    *,
    flags: Sequence[tuple[str, str]],
    units: Mapping[str, str] | None = None,
    knee: Mapping[str, Any] | None = None,
    found: bool = False,
    view: str | None = None,
    page: str | None = None,
    picture: str | None = None,
) -> dict[str, Any]:
    measurements = knee["measurements"] if knee else {}
    values = [_round(measurements.get(name), unit) for name, unit in (units or {}).items()]
    while values and values[-1] is None:
        values.pop()
    known = [p["confidence"] for p in knee["landmarks"] if p["confidence"] is not None] if knee else []
    return {
        "name": name,
        "path": str(path),
        "side": knee["side"] if knee else None,
        "view": view,
        "page": page,
        "picture": picture,
        "found": found,
        "flags": [list(flag) for flag in flags],
        "confidence": round(sum(known) / len(known), 3) if known else None,
        "values": values,
    }


def _round(measurement: Mapping[str, Any] | None, unit: str) -> float | None:
    value = None if measurement is None else measurement["value"]
    return None if value is None else round(value, _PLACES.get(unit, 3))
