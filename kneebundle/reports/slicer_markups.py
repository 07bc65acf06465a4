"""Write and read landmarks as markups of 3D Slicer, a ``.mrk.json`` file that Slicer shows over the radiograph.

The positions are patient coordinates (L, P, S) in mm of the pixels as Slicer places them when it loads the same file
(see :func:`kneebundle.io.placement.read_placement`), so that the points lie on the right pixels whatever spacing Slicer
reads. They are not measurements: those are in the JSON file.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kneebundle.errors import KneeBundleError, in_brief
from kneebundle.io.placement import Placement, read_placement
from kneebundle.io.writing import write_atomically
from kneebundle.reports.points import clip_line

__all__ = ["read_markups", "to_markups", "write_markups"]

_SCHEMA = (
    "https://raw.githubusercontent.com/slicer/slicer/master/Modules/Loadable/Markups/Resources/Schema/"
    "markups-schema-v1.0.3.json#"
)
_DECIMALS = 9
_FACING = [-1.0, -0.0, -0.0, -0.0, -1.0, -0.0, 0.0, 0.0, 1.0]
"""Slicer's own default orientation of a control point."""
_TO_LPS = {"LPS": (1.0, 1.0, 1.0), "RAS": (-1.0, -1.0, 1.0)}


def to_markups(document: Mapping[str, Any], placement: Placement) -> dict[str, Any]:
    """Convert a document of :func:`kneebundle.reports.json_report.to_document` to markups.

    A knee becomes a point list whose points are called ``R tibia_center`` and so on; a lateral film one with
    ``p_blum``, ``p_tmc`` and ``schoettle_point``, and a line for each of LM1, LM2 and LM3, from border to border of the
    film.
    """
    if "planning" in document:
        markups = _convert_planning(document["planning"], document["image"], placement)
    else:
        markups = [_convert_knee(knee, placement) for knee in document["knees"] if knee["landmarks"]]
    return {"@schema": _SCHEMA, "markups": markups}


def write_markups(document: Mapping[str, Any], source: Path, path: Path) -> None:
    """Write the markups of a document, atomically.

    Args:
        document: of :func:`kneebundle.reports.json_report.to_document`.
        source: the image's file.
        path: ends in ``.mrk.json``, by which Slicer knows it.
    """
    row_mm, column_mm = document["image"]["spacing_mm"]
    content = to_markups(document, read_placement(source, (row_mm, column_mm)))
    with write_atomically(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def read_markups(content: Mapping[str, Any], placement: Placement) -> dict[str, np.ndarray]:
    """Read the placed points of all point lists of a markups file.

    Args:
        content: the parsed file, of this module or saved by Slicer, in LPS or RAS.
        placement: of the image.

    Returns:
        By label (x, y) in pixels of the image as stored.

    Raises:
        KneeBundleError: if it is not a markups file, or two points have the same label.
    """
    try:
        placed = [
            (str(point["label"]).strip(), np.multiply(point["position"], _TO_LPS[_get_system(markup)]))
            for markup in content["markups"]
            if markup["type"] == "Fiducial"
            for point in markup["controlPoints"]
            if point.get("positionStatus", "defined") == "defined"
        ]
        points = {label: placement.to_px(position)[0] for label, position in placed}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise KneeBundleError(
            f"not 3D Slicer's markups ({in_brief(error)}); save the point list as .mrk.json"
        ) from error
    if len(points) < len(placed):
        raise KneeBundleError(
            f"of {len(placed)} points some have the same label; give each the name of its landmark, once"
        )
    return points


def _get_system(markup: Mapping[str, Any]) -> str:
    return str(markup.get("coordinateSystem", "LPS")).upper()


def _convert_knee(knee: Mapping[str, Any], placement: Placement) -> dict[str, Any]:
    side = knee["side"]
    points = [(f"{side} {p['name']}", (p["x_px"], p["y_px"])) for p in knee["landmarks"]]
    return _make_markup("Fiducial", f"knee {side}", points, placement, [_describe(p) for p in knee["landmarks"]])


def _describe(point: Mapping[str, Any], side: str | None = None) -> str:
    """What Slicer has no field for, as text: the side of a lateral film's point, its confidence, its radius."""
    known = {"side": side, "confidence": point.get("confidence"), "radius_mm": point.get("radius_mm")}
    return "; ".join(f"{name}={value}" for name, value in known.items() if value is not None)


def _convert_planning(
    planning: Mapping[str, Any], image: Mapping[str, Any], placement: Placement
) -> list[dict[str, Any]]:
    found = list(planning["landmarks"])
    if planning["schoettle_point"] is not None:
        found.append({"name": "schoettle_point", **planning["schoettle_point"]})
    points = [(p["name"], (p["x_px"], p["y_px"])) for p in found]
    descriptions = [_describe(p, planning.get("side")) for p in found]
    markups = [_make_markup("Fiducial", "planning", points, placement, descriptions)] if points else []
    size = np.array([image["columns"] - 1.0, image["rows"] - 1.0])
    for name, line in planning["lines"].items():
        ends = clip_line(np.array(line["point_px"]), np.array(line["direction"]), size)
        if ends is not None:
            markups.append(
                _make_markup("Line", name, [(f"{name}-{i}", end) for i, end in enumerate(ends, 1)], placement)
            )
    return markups


def _make_markup(
    kind: str,
    name: str,
    points: Iterable[tuple[str, Sequence[float] | np.ndarray]],
    placement: Placement,
    descriptions: Sequence[str] = (),
) -> dict[str, Any]:
    labels, places = zip(*points, strict=True)
    texts = descriptions or [""] * len(labels)
    positions = placement.to_lps(np.array(places)).round(_DECIMALS) + 0.0
    return {
        "type": kind,
        "name": name,
        "coordinateSystem": "LPS",
        "coordinateUnits": "mm",
        "locked": False,
        "fixedNumberOfControlPoints": False,
        "labelFormat": "%N-%d",
        "lastUsedControlPointNumber": len(labels),
        "controlPoints": [
            {
                "id": str(number),
                "label": label,
                "description": text,
                "associatedNodeID": "",
                "position": position.tolist(),
                "orientation": _FACING,
                "selected": True,
                "locked": False,
                "visibility": True,
                "positionStatus": "defined",
            }
            for number, (label, position, text) in enumerate(zip(labels, positions, texts, strict=True), start=1)
        ],
    }
