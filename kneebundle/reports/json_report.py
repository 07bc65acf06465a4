"""The JSON file of one radiograph, schema ``kneebundle/landmarks/1``.

A radiograph of one or both knees from the front has the key ``knees``, a lateral one has ``planning`` instead.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kneebundle.io.writing import write_atomically
from kneebundle.measurements.measurement import Measurement
from kneebundle.radiograph import Radiograph
from kneebundle.reports.planning_json import make_planning_document
from kneebundle.reports.points import list_points, round_value
from kneebundle.reports.record_check import is_whole
from kneebundle.results import Flag, KneeResult, LateralResult, Prediction

__all__ = ["SCHEMA", "read_document", "to_document", "write_document"]

SCHEMA = "kneebundle/landmarks/1"


def to_document(result: Prediction, masks: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Convert a prediction to the plain dictionaries and lists of its JSON file.

    Points are in pixels of the file as it is stored, even if it had to be turned for display; pixels and mm are
    round_value to three decimals. A knee that was found but could not be measured has no landmarks and no measurements;
    its flags say why, each with a ``code`` of :data:`kneebundle.results.FLAG_CODES`, a ``message`` and, where it rests
    on a number, its ``score`` and ``threshold``; ``quality`` has all scores of a knee. Of the patient it holds nothing
    but the path and the SOP instance UID.

    Args:
        result: of a pipeline.
        masks: names of the mask pictures of a lateral film, by bone.
    """
    radiograph = result.radiograph
    rows, columns = radiograph.orientation.pair((radiograph.rows, radiograph.columns))
    if isinstance(result, LateralResult):
        content: dict[str, Any] = {"planning": make_planning_document(result, masks or {})}
        further: dict[str, Any] = {}
    else:
        content = {"knees": [_convert_knee(knee, radiograph) for knee in result.knees]}
        further = result.extra
    return {
        "schema": SCHEMA,
        "image": {
            "path": radiograph.path,
            "sop_instance_uid": radiograph.sop_instance_uid,
            "rows": rows,
            "columns": columns,
            "spacing_mm": [float(s) for s in radiograph.orientation.pair(radiograph.spacing_mm)],
            "spacing_source": radiograph.spacing_source,
            "view": radiograph.view,
            "notes": list(radiograph.notes),
        },
        "models": [{"bundle": m.bundle, "version": m.version, "sha256": m.sha256} for m in result.models],
        **content,
        "flags": _convert_flags(result.flags),
        **further,
    }


def write_document(document: dict[str, Any], path: Path) -> None:
    """Write a document of :func:`to_document`, atomically."""
    with write_atomically(path) as temporary:
        temporary.write_text(json.dumps(document, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def read_document(path: Path) -> dict[str, Any] | None:
    """Read a document of :func:`write_document`; None where there is no file, or it is no such document, whole."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    known = isinstance(document, dict) and document.get("schema") == SCHEMA
    return document if known and is_whole(document) else None


def _convert_knee(knee: KneeResult, radiograph: Radiograph) -> dict[str, Any]:
    found = knee.landmarks
    center = radiograph.to_stored_px(np.array([knee.center_px]))[0]
    return {
        "side": knee.side,
        "center_px": [round_value(v) for v in center],
        "roi_mm": knee.roi_mm,
        "landmarks": [] if found is None else list_points(found, radiograph),
        "measurements": {name: _convert_measurement(m, radiograph) for name, m in knee.measurements.items()},
        "flags": _convert_flags(knee.flags),
        "quality": {name: round(score, 4) for name, score in knee.scores.items()},
    }


def _convert_flags(flags: Sequence[Flag]) -> list[dict[str, Any]]:
    return [{"code": flag.code, "message": flag.message, **_convert_numbers(flag)} for flag in flags]


def _convert_numbers(flag: Flag) -> dict[str, float]:
    numbers = {"score": flag.score, "threshold": flag.threshold}
    return {name: round(value, 4) for name, value in numbers.items() if value is not None}


def _convert_measurement(measurement: Measurement, radiograph: Radiograph) -> dict[str, Any]:
    """Value, unit, standard deviation, source and the lines that show how it was taken, in pixels as stored."""
    lines = [radiograph.to_stored_px(line) for line in measurement.segments_px]
    return {
        "value": None if measurement.value is None else round_value(measurement.value),
        "unit": measurement.unit,
        "uncertainty": None if measurement.uncertainty is None else round_value(measurement.uncertainty),
        "source": measurement.source,
        "segments_px": [[[round(float(x), 2), round(float(y), 2)] for x, y in line] for line in lines],
        **({"reason": measurement.reason} if measurement.value is None else {}),
    }
