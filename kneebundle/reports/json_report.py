"""The JSON file of one radiograph, schema ``kneebundle/landmarks/1``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from kneebundle.inference.results import KneeResult, RadiographResult
from kneebundle.io.writing import write_whole
from kneebundle.landmarks import Landmarks
from kneebundle.measurements.knee_pa import measure_knee_pa
from kneebundle.radiograph import Radiograph

__all__ = ["SCHEMA", "read_document", "to_document", "write_document"]

SCHEMA = "kneebundle/landmarks/1"
_DECIMALS = 3


def to_document(result: RadiographResult) -> dict[str, Any]:
    """What the JSON file says about a radiograph, as plain dictionaries and lists.

    Points are in pixels of the file as it is stored, also where it had to be turned for display; pixels and mm
    are rounded to three decimals. A knee that was found but could not be measured has no landmarks and no
    measurements; its flags say why. Of the patient it holds nothing but the path and the SOP instance UID.
    """
    radiograph = result.radiograph
    rows, columns = radiograph.turn.pair((radiograph.rows, radiograph.columns))
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
        "knees": [_knee(knee, radiograph) for knee in result.knees],
        "flags": list(result.flags),
        **result.extra,
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
    known = isinstance(document, dict) and document.get("schema") == SCHEMA and {"image", "knees"} <= document.keys()
    return document if known else None


def _knee(knee: KneeResult, radiograph: Radiograph) -> dict[str, Any]:
    found = knee.landmarks
    center = radiograph.to_stored_px(np.array([knee.center_px]))[0]
    return {
        "side": knee.side,
        "center_px": [_rounded(v) for v in center],
        "roi_mm": knee.roi_mm,
        "landmarks": [] if found is None else _landmarks(found, radiograph),
        "measurements": {} if found is None else _measurements(found, radiograph.spacing_mm),
        "flags": list(knee.flags),
    }


def _landmarks(landmarks: Landmarks, radiograph: Radiograph) -> list[dict[str, Any]]:
    spacing_mm = radiograph.turn.pair(radiograph.spacing_mm)
    px = radiograph.to_stored_px(landmarks.to_px(radiograph.spacing_mm).points)
    mm = Landmarks(px, "px", landmarks.landmark_set).to_mm(spacing_mm).points
    return [
        {
            "id": index,
            "name": name,
            "x_px": _rounded(px[index, 0]),
            "y_px": _rounded(px[index, 1]),
            "x_mm": _rounded(mm[index, 0]),
            "y_mm": _rounded(mm[index, 1]),
            "confidence": None if landmarks.confidence is None else _rounded(landmarks.confidence[index]),
        }
        for index, name in enumerate(landmarks.landmark_set.names)
    ]


def _measurements(landmarks: Landmarks, spacing_mm: tuple[float, float]) -> dict[str, dict[str, Any]]:
    found = measure_knee_pa(landmarks.to_mm(spacing_mm))
    return {name: {"value": _rounded(m.value), "unit": m.unit} for name, m in found.items()}


def _rounded(value: float) -> float:
    return round(float(value), _DECIMALS)
