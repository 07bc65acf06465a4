"""The JSON file of one radiograph, schema ``kneebundle/landmarks/1``.

A film of one or both knees from the front has the key ``knees``, a lateral one has ``planning`` instead.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kneebundle.inference.results import Answer, KneeResult, LateralResult
from kneebundle.io.writing import write_whole
from kneebundle.landmarks import Landmarks
from kneebundle.measurements.knee_pa import measure_knee_pa
from kneebundle.radiograph import Radiograph
from kneebundle.reports.planning_json import planning_document
from kneebundle.reports.points import point_list, rounded

__all__ = ["SCHEMA", "read_document", "to_document", "write_document"]

SCHEMA = "kneebundle/landmarks/1"


def to_document(result: Answer, masks: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What the JSON file says about a radiograph, as plain dictionaries and lists.

    Points are in pixels of the file as it is stored, also where it had to be turned for display; pixels and mm
    are rounded to three decimals. A knee that was found but could not be measured has no landmarks and no
    measurements; its flags say why. Of the patient it holds nothing but the path and the SOP instance UID.

    Args:
        result: of a pipeline.
        masks: names of the mask pictures of a lateral film, by bone.
    """
    radiograph = result.radiograph
    rows, columns = radiograph.turn.pair((radiograph.rows, radiograph.columns))
    if isinstance(result, LateralResult):
        content: dict[str, Any] = {"planning": planning_document(result, masks or {})}
        further: dict[str, Any] = {}
    else:
        content = {"knees": [_knee(knee, radiograph) for knee in result.knees]}
        further = result.extra
    return {
        "schema": SCHEMA,
        "image": {
            "path": radiograph.path,
            "sop_instance_uid": radiograph.sop_instance_uid,
            "rows": rows,
            "columns": columns,
            "spacing_mm": [float(s) for s in radiograph.turn.pair(radiograph.spacing_mm)],
            "spacing_source": radiograph.spacing_source,
            "view": radiograph.view,
            "notes": list(radiograph.notes),
        },
        "models": [{"bundle": m.bundle, "version": m.version, "sha256": m.sha256} for m in result.models],
        **content,
        "flags": list(result.flags),
        **further,
    }


def write_document(document: dict[str, Any], path: Path) -> None:
    """Write a document of :func:`to_document`, whole or not at all."""
    with write_whole(path) as temporary:
        temporary.write_text(json.dumps(document, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def read_document(path: Path) -> dict[str, Any] | None:
    """A document of :func:`write_document`; None where there is none, or the file is not one."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    known = isinstance(document, dict) and document.get("schema") == SCHEMA and "image" in document
    return document if known and ("knees" in document or "planning" in document) else None


def _knee(knee: KneeResult, radiograph: Radiograph) -> dict[str, Any]:
    found = knee.landmarks
    center = radiograph.to_stored_px(np.array([knee.center_px]))[0]
    return {
        "side": knee.side,
        "center_px": [rounded(v) for v in center],
        "roi_mm": knee.roi_mm,
        "landmarks": [] if found is None else point_list(found, radiograph),
        "measurements": {} if found is None else _measurements(found, radiograph.spacing_mm),
        "flags": list(knee.flags),
    }


def _measurements(landmarks: Landmarks, spacing_mm: tuple[float, float]) -> dict[str, dict[str, Any]]:
    found = measure_knee_pa(landmarks.to_mm(spacing_mm))
    return {name: {"value": rounded(m.value), "unit": m.unit} for name, m in found.items()}
