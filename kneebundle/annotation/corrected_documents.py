"""Predictions with the points that a person left: for what is made of an output folder after it was looked at."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kneebundle.annotation.corrections import CORRECTIONS_FOLDER, CorrectedPoints, Correction, read_corrections
from kneebundle.landmarks import KNEE_PA
from kneebundle.reports.points import round_value

__all__ = ["use_corrections"]


def use_corrections(records: Mapping[str, Mapping[str, Any]], folder: Path) -> dict[str, dict[str, Any]]:
    """Put the corrections of an output folder into its predictions.

    A knee that was accepted or corrected has the points of the person and no flags, one that was rejected has no
    landmarks and says so, and one that is open stays as predicted. A lateral radiograph whose points were moved has no
    plan, since its lines were drawn from other points.

    Args:
        records: documents of :func:`kneebundle.reports.json_report.to_document` by the path of the image.
        folder: the output folder; without corrections, nothing changes.

    Returns:
        The documents in the same order.

    Raises:
        KneeBundleError: if a file of corrections is broken.
    """
    has_any = any((folder / CORRECTIONS_FOLDER).glob("[!.]*.json"))
    known = {str(c.image["path"]): c for c in read_corrections(folder)} if has_any else {}
    return {
        path: _correct(document, known[path]) if path in known else dict(document) for path, document in records.items()
    }


def _correct(document: Mapping[str, Any], correction: Correction) -> dict[str, Any]:
    if correction.lateral is not None:
        return _correct_lateral(document, correction.lateral)
    predicted = {knee["side"]: knee for knee in document.get("knees", ())}
    height, width = correction.spacing_mm
    knees = []
    for item in correction.knees:
        knee = predicted.get(item.side)
        if item.status == "open":
            if knee is not None:  # what is said of the whole radiograph concerns the knees that nobody has judged
                knees.append({**knee, "flags": [*document["flags"], *knee["flags"]]})
        else:
            knees.append(_correct_knee(knee or {"side": item.side}, item, (width, height)))
    return {**document, "knees": knees, "flags": []}


def _correct_knee(knee: Mapping[str, Any], item: CorrectedPoints, scale: tuple[float, float]) -> dict[str, Any]:
    if not item.is_decided or item.points is None:
        return {**knee, "landmarks": [], "measurements": {}, "flags": [_reject(item.reason)]}
    found = zip(KNEE_PA.names, item.points, strict=True)
    landmarks = [
        {
            "id": index,
            "name": name,
            "x_px": round_value(x),
            "y_px": round_value(y),
            "x_mm": round_value(x * scale[0]),
            "y_mm": round_value(y * scale[1]),
            "confidence": None,
        }
        for index, (name, (x, y)) in enumerate(found)
        if np.isfinite([x, y]).all()
    ]
    return {**knee, "landmarks": landmarks, "measurements": {}, "flags": []}


def _correct_lateral(document: Mapping[str, Any], item: CorrectedPoints) -> dict[str, Any]:
    planning = document["planning"]
    if item.status == "open":
        return dict(document)
    if item.status == "accepted":
        return {**document, "flags": []}
    flag = _reject(item.reason)
    reason = "its points were corrected, and the plan was drawn from others"
    refused = flag["message"] if item.status == "rejected" else reason
    return {**document, "planning": {**planning, "schoettle_point": None, "refused": refused}, "flags": []}


def _reject(reason: str) -> dict[str, str]:
    return {"code": "rejected", "message": f"rejected: {reason}" if reason else "rejected"}
