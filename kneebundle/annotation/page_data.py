"""What the page and the server tell each other about a radiograph, in pixels of the image as displayed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import numpy as np

from kneebundle import __version__
from kneebundle.annotation.corrections import CorrectedPoints, Correction, CorrectionStatus
from kneebundle.annotation.films import PredictedFilm, grey_window
from kneebundle.errors import KneeBundleError
from kneebundle.landmarks import KNEE_LATERAL, KNEE_PA, LATERAL_POINTS
from kneebundle.measurements.knee_shape import load_shape_model
from kneebundle.radiograph import Radiograph
from kneebundle.reports.points import round_value

__all__ = ["describe_film", "list_films", "make_correction"]

_LONGEST_REASON = 500
_CORTEX_MM = (40.0, 5.0)
"""Where the ends of the cortex line are put on LM1, proximal to the transition of the medial condyle."""
_LATERAL_TEMPLATE_MM = ((8.0, 8.0), (0.0, 0.0), (-2.0, -40.0), (-1.0, -5.0))
"""Where the points of a lateral radiograph are put around a click, anterior to the right."""
_SMALLEST_MOVE_PX = 0.0006
_MARGIN = 0.1
"""How far outside the image a point may lie, as a part of the image's longer edge."""
_PAGE_STATUSES = ("open", "accepted", "rejected")


@dataclass(frozen=True)
class _Predicted:
    """A knee of a record, in pixels of the image as stored; NaN where a point was not found."""

    side: str | None
    points: np.ndarray | None
    confidence: tuple[float | None, ...]
    flags: Sequence[Mapping[str, Any]]
    center: tuple[float, float] | None


def list_films(films: Mapping[str, PredictedFilm], corrections: Mapping[str, Correction]) -> list[dict[str, Any]]:
    """List the radiographs for the page: name, path, view, flags, lowest confidence, and what was made of each."""
    return [_list_film(film, corrections.get(name)) for name, film in films.items()]


def _list_film(film: PredictedFilm, correction: Correction | None) -> dict[str, Any]:
    knees = _predicted(film)
    known = [value for knee in knees for value in knee.confidence if value is not None]
    flags = [*film.document.get("flags", ()), *(flag for knee in knees for flag in knee.flags)]
    refused = film.document.get("planning", {}).get("refused")
    return {
        "name": film.name,
        "path": film.document["image"]["path"],
        "view": film.document["image"]["view"],
        "sides": [knee.side for knee in knees],
        "flags": sorted({str(flag["code"]) for flag in flags} | ({"no_plan"} if refused else set())),
        "confidence": min(known, default=None),
        "status": "new" if correction is None else correction.status,
    }


def describe_film(film: PredictedFilm, correction: Correction | None, radiograph: Radiograph) -> dict[str, Any]:
    """Describe a radiograph for the page: size, flags, predicted points, and those that a person left.

    Args:
        film: the record.
        correction: what was saved about it before.
        radiograph: the image; it says how it is turned for display.
    """
    predicted = _predicted(film)
    low, high = grey_window(radiograph)
    return {
        "name": film.name,
        "path": film.document["image"]["path"],
        "view": film.document["image"]["view"],
        "lateral": film.is_lateral,
        "rows": radiograph.rows,
        "columns": radiograph.columns,
        "spacing_mm": list(radiograph.orientation.pair(tuple(film.document["image"]["spacing_mm"]))),
        "calibrated": radiograph.is_calibrated or film.document["image"]["spacing_source"] != "none",
        "window": [low, high],
        "range": [float(radiograph.pixels.min()), float(radiograph.pixels.max())],
        "notes": list(film.document["image"].get("notes", ())),
        "flags": _describe_flags(film.document.get("flags", ())),
        "refused": film.document.get("planning", {}).get("refused"),
        "anterior": _find_anterior(film, radiograph),
        "template_mm": _template(film.is_lateral),
        "items": _describe_items(film, predicted, correction, radiograph),
        "status": "open" if correction is None else correction.status,
        "revision": 0 if correction is None else correction.revision,
        "rater": None if correction is None else correction.rater,
        "saved_at": None if correction is None else correction.saved_at,
        "stale": correction is not None and correction.prediction.get("sha256") != film.sha256,
    }


def make_correction(film: PredictedFilm, radiograph: Radiograph, content: Any, rater: str) -> tuple[Correction, int]:
    """Make a correction of what the page sends.

    Args:
        film: the record.
        radiograph: its image.
        content: ``{"revision": int, "status": ..., "items": [{"side", "status", "reason", "points"}]}``; the status of
            the whole counts where there is no knee.
        rater: who saves.

    Returns:
        The correction, and the revision that it rests on.

    Raises:
        KneeBundleError: if anything in it is not what it should be.
    """
    if not isinstance(content, dict) or not isinstance(content.get("items"), list):
        raise KneeBundleError("an object with revision, status and the list items is needed")
    revision = content.get("revision")
    if not isinstance(revision, int) or isinstance(revision, bool) or revision < 0:
        raise KneeBundleError(f"revision is {str(revision)[:40]!r}; a whole number from 0 on is needed")
    predicted = _predicted(film)
    items = tuple(_parse_item(item, film, predicted, radiograph) for item in content["items"])
    sides = [item.side for item in items]
    if film.is_lateral and len(items) != 1:
        raise KneeBundleError(f"{len(items)} items; a lateral radiograph has one")
    if len(set(sides)) < len(sides):
        raise KneeBundleError("two knees have the same side; a radiograph shows each knee once")
    correction = Correction(
        name=film.name,
        image={key: value for key, value in film.document["image"].items() if key != "notes"},
        prediction={"file": film.record.name, "sha256": film.sha256},
        knees=() if film.is_lateral else items,
        lateral=items[0] if film.is_lateral else None,
        empty_status=_parse_status(content),
        rater=rater,
        saved_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        software=f"kneebundle {__version__}",
    )
    return correction, revision


def _predicted(film: PredictedFilm) -> list[_Predicted]:
    if film.is_lateral:
        return [_predicted_lateral(film)]
    return [_predicted_knee(knee) for knee in film.document["knees"]]


def _predicted_knee(knee: Mapping[str, Any]) -> _Predicted:
    points, confidence = _read_landmarks(knee["landmarks"], KNEE_PA.names)
    center = None if knee.get("center_px") is None else (float(knee["center_px"][0]), float(knee["center_px"][1]))
    return _Predicted(knee["side"], points, confidence, knee.get("flags", ()), center)


def _predicted_lateral(film: PredictedFilm) -> _Predicted:
    planning = film.document["planning"]
    points, confidence = _read_landmarks(planning["landmarks"], LATERAL_POINTS)
    line = planning["lines"].get("LM1")
    if line is not None:
        points = np.full((len(LATERAL_POINTS), 2), np.nan) if points is None else points
        points[len(KNEE_LATERAL) :] = _place_cortex_line(line, points[KNEE_LATERAL.names.index("p_tmc")], film)
    return _Predicted(planning["side"], points, confidence, (), None)


def _read_landmarks(
    landmarks: Sequence[Mapping[str, Any]], names: Sequence[str]
) -> tuple[np.ndarray | None, tuple[float | None, ...]]:
    points, confidence = np.full((len(names), 2), np.nan), [None] * len(names)
    for landmark in landmarks:
        index = names.index(landmark["name"])
        points[index] = landmark["x_px"], landmark["y_px"]
        confidence[index] = landmark.get("confidence")
    return (points if np.isfinite(points).any() else None), tuple(confidence)


def _place_cortex_line(line: Mapping[str, Any], p_tmc: np.ndarray, film: PredictedFilm) -> np.ndarray:
    """(2, 2) ``p_prox`` and ``p_dist`` on LM1, in the image."""
    image = film.document["image"]
    mm = np.array(image["spacing_mm"][::-1], dtype=np.float64)
    point = np.array(line["point_px"], dtype=np.float64) * mm
    direction = np.array(line["direction"], dtype=np.float64) * mm
    direction /= np.linalg.norm(direction)
    level = (p_tmc * mm - point) @ direction if np.isfinite(p_tmc).all() else 0.0
    ends = np.array([point + (level - distance) * direction for distance in _CORTEX_MM]) / mm
    return np.clip(ends, 0.0, [image["columns"] - 1, image["rows"] - 1]).round(3)


def _find_anterior(film: PredictedFilm, radiograph: Radiograph) -> list[float] | None:
    """(x, y) direction in the displayed image in which the femur lies beside the posterior cortex, if it is known."""
    lines = film.document.get("planning", {}).get("lines", {})
    if "LM2" not in lines:
        return None
    start = np.array(lines["LM2"]["point_px"], dtype=np.float64)
    here, there = _to_displayed(np.array([start, start + np.array(lines["LM2"]["direction"])]), radiograph)
    return [round_value(value) for value in there - here]


def _template(is_lateral: bool) -> list[list[float]]:
    """Where the points of a knee that is added are put around a click, x and y in mm; of a right knee."""
    points = np.array(_LATERAL_TEMPLATE_MM) if is_lateral else load_shape_model().mean
    return [[round_value(x), round_value(y)] for x, y in points]


def _describe_items(
    film: PredictedFilm, predicted: Sequence[_Predicted], correction: Correction | None, radiograph: Radiograph
) -> list[dict[str, Any]]:
    """The knees as a person left them, then those that only the prediction has."""
    left = () if correction is None or (correction.lateral is None) == film.is_lateral else correction.items
    if film.is_lateral:
        item = left[0] if left else CorrectedPoints(predicted[0].side, "open", predicted[0].points)
        return [_describe_item(item, predicted[0], radiograph)]
    by_side = {knee.side: knee for knee in predicted}
    new = [CorrectedPoints(k.side, "open", k.points) for k in predicted if k.side not in {item.side for item in left}]
    return [_describe_item(item, by_side.get(item.side), radiograph) for item in (*left, *new)]


def _describe_item(item: CorrectedPoints, knee: _Predicted | None, radiograph: Radiograph) -> dict[str, Any]:
    center = None
    if knee is not None and knee.center is not None:
        center = _list(np.array([knee.center]), radiograph)
    return {
        "side": item.side,
        "status": "accepted" if item.is_decided else item.status,
        "reason": item.reason,
        "added": knee is None,
        "points": None if item.points is None else _list(item.points, radiograph),
        "predicted": None if knee is None or knee.points is None else _list(knee.points, radiograph),
        "confidence": [] if knee is None else list(knee.confidence),
        "flags": [] if knee is None else _describe_flags(knee.flags),
        "center": None if center is None else center[0],
    }


def _describe_flags(flags: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    return [{"code": str(flag["code"]), "message": str(flag["message"])} for flag in flags]


def _to_displayed(points: np.ndarray, radiograph: Radiograph) -> np.ndarray:
    return radiograph.orientation.points_to_displayed(points, radiograph.rows, radiograph.columns)


def _list(points: np.ndarray, radiograph: Radiograph) -> list[list[float] | None]:
    """Points as stored as x and y in the displayed image; None for one that is NaN."""
    return [
        [round_value(x), round_value(y)] if math.isfinite(x) and math.isfinite(y) else None
        for x, y in _to_displayed(points, radiograph)
    ]


def _parse_item(
    item: Any, film: PredictedFilm, predicted: Sequence[_Predicted], radiograph: Radiograph
) -> CorrectedPoints:
    if not isinstance(item, dict):
        raise KneeBundleError("an item is an object with side, status, reason and points")
    side = item.get("side")
    if side not in (("R", "L", None) if film.is_lateral else ("R", "L")):
        raise KneeBundleError(f"side is {str(side)[:40]!r}; R or L is needed")
    reason = item.get("reason", "")
    if not isinstance(reason, str) or len(reason) > _LONGEST_REASON:
        raise KneeBundleError(f"reason is a text of at most {_LONGEST_REASON} characters")
    status = _parse_status(item)
    if status == "rejected" and not reason.strip():
        raise KneeBundleError("a knee is rejected for a reason; give it")
    names = LATERAL_POINTS if film.is_lateral else KNEE_PA.names
    points = _parse_points(item.get("points"), names, radiograph)
    knee = predicted[0] if film.is_lateral else next((k for k in predicted if k.side == side), None)
    moved = None if points is None else _find_moved(points, None if knee is None else knee.points)
    was = knee is not None and knee.points is not None
    changed = bool(moved.any()) if moved is not None else was
    if status == "accepted" and changed:
        status = "corrected"
    return CorrectedPoints(side, status, points, moved, " ".join(reason.split()), added=knee is None)


def _parse_status(content: Mapping[str, Any]) -> CorrectionStatus:
    status = content.get("status", "open")
    if status not in _PAGE_STATUSES:
        raise KneeBundleError(f"status is {str(status)[:40]!r}; one of {', '.join(_PAGE_STATUSES)} is needed")
    return status


def _parse_points(content: Any, names: Sequence[str], radiograph: Radiograph) -> np.ndarray | None:
    """(N, 2) in pixels of the image as stored."""
    if content is None:
        return None
    if not isinstance(content, list) or len(content) != len(names):
        raise KneeBundleError(f"points is a list of {len(names)}, each x and y or null")
    displayed = np.full((len(names), 2), np.nan)
    for index, point in enumerate(content):
        if point is not None:
            displayed[index] = _parse_point(point, names[index], radiograph)
    if np.isnan(displayed).all():
        return None
    return radiograph.orientation.points_to_stored(displayed, radiograph.rows, radiograph.columns).round(3)


def _parse_point(point: Any, name: str, radiograph: Radiograph) -> tuple[float, float]:
    is_pair = isinstance(point, list) and len(point) == 2
    if not is_pair or not all(isinstance(v, int | float) and not isinstance(v, bool) for v in point):
        raise KneeBundleError(f"{name} is {str(point)[:40]}; x and y, two numbers, or null are needed")
    x, y = point
    margin = _MARGIN * max(radiograph.columns, radiograph.rows)
    if not (-margin <= x <= radiograph.columns + margin and -margin <= y <= radiograph.rows + margin):
        raise KneeBundleError(
            f"{name} lies far outside the image of {radiograph.columns} x {radiograph.rows} pixels; put it inside"
        )
    return float(x), float(y)


def _find_moved(points: np.ndarray, predicted: np.ndarray | None) -> np.ndarray:
    if predicted is None:
        return np.isfinite(points).all(axis=1)
    with np.errstate(invalid="ignore"):
        differs = ~(np.abs(points - predicted) < _SMALLEST_MOVE_PX).all(axis=1)
    both_missing = np.isnan(points).all(axis=1) & np.isnan(predicted).all(axis=1)
    return differs & ~both_missing
