"""Whether a JSON document of a prediction is whole, so that tables and pages can rely on what is in it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["is_image", "is_whole"]

_Check = Callable[[Any], bool]


def is_whole(document: Any) -> bool:
    """Whether a document of :func:`kneebundle.reports.json_report.to_document` has all that it must have.

    What people and other programs make of such files is often cut off, or has other things in these places.

    Example:
        >>> is_whole({"image": {"path": "knee.png"}, "knees": None})
        False
    """
    if not isinstance(document, dict) or not is_image(document.get("image")):
        return False
    if not _is_list(document.get("flags", []), _is_flag) or not _is_list(document.get("models", []), _is_mapping):
        return False
    if "planning" in document:
        return _is_planning(document["planning"])
    return _is_list(document.get("knees"), _is_knee)


def is_image(value: Any) -> bool:
    """Whether it says of which image a document is."""
    if not _is_mapping(value) or not isinstance(value.get("path"), str) or not value["path"] or "\0" in value["path"]:
        return False
    spacing = value.get("spacing_mm")
    known = spacing is None or (_is_list(spacing, _is_number) and len(spacing) == 2)
    return known and isinstance(value.get("view"), str | None)


def _is_knee(value: Any) -> bool:
    return (
        _is_mapping(value)
        and isinstance(value.get("side", False), str | None)
        and _is_list(value.get("landmarks"), _is_point)
        and _are_measurements(value.get("measurements"))
        and _is_list(value.get("flags"), _is_flag)
    )


def _is_planning(value: Any) -> bool:
    return (
        _is_mapping(value)
        and isinstance(value.get("side", False), str | None)
        and _is_list(value.get("landmarks"), _is_point)
        and _are_measurements(value.get("measurements"))
        and (value.get("schoettle_point") is None or _is_place(value["schoettle_point"]))
        and isinstance(value.get("refused"), str | None)
        and _is_mapping(value.get("masks", {}))
    )


def _is_point(value: Any) -> bool:
    known = _is_place(value) and isinstance(value.get("id"), int) and isinstance(value.get("name"), str)
    return known and "confidence" in value and _is_number_or_none(value["confidence"])


def _is_place(value: Any) -> bool:
    if not _is_mapping(value) or not {"x_px", "y_px", "x_mm", "y_mm"} <= value.keys():
        return False
    in_mm = _is_number_or_none(value["x_mm"]) and _is_number_or_none(value["y_mm"])
    return in_mm and _is_number(value["x_px"]) and _is_number(value["y_px"])


def _are_measurements(value: Any) -> bool:
    return _is_mapping(value) and all(
        isinstance(name, str)
        and _is_mapping(one)
        and isinstance(one.get("unit"), str)
        and "value" in one
        and _is_number_or_none(one["value"])
        for name, one in value.items()
    )


def _is_flag(value: Any) -> bool:
    return _is_mapping(value) and isinstance(value.get("code"), str) and isinstance(value.get("message"), str)


def _is_mapping(value: Any) -> bool:
    return isinstance(value, Mapping)


def _is_list(value: Any, check: _Check) -> bool:
    return isinstance(value, list) and all(check(item) for item in value)


def _is_number_or_none(value: Any) -> bool:
    return value is None or _is_number(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
