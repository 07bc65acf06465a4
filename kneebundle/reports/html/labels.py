"""How pages call things: measurements, bones, views, and numbers with their unit and uncertainty."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

__all__ = ["describe_view", "format_measurement", "is_series", "label_measurement", "label_name", "label_side"]

_SIDES = {"R": "Right knee", "L": "Left knee", None: "Knee"}
_VIEWS = {"pa-bilateral": "both knees, from the front", "pa-single": "one knee, from the front", "lateral": "lateral"}
_SERIES = re.compile(r"_(\d{3})$")
_DECIMALS = {"mm": 2, "deg": 1}
_UNITS = {"deg": "\N{DEGREE SIGN}"}


def label_side(side: str | None) -> str:
    """Name a knee by its side."""
    return _SIDES.get(side, _SIDES[None])


def describe_view(view: str | None) -> str:
    """Describe a view in words."""
    return _VIEWS.get(view or "", "not known")


def label_name(name: str) -> str:
    """Write a name of landmarks or scores with spaces.

    Example:
        >>> label_name("tibia_lateral_edge")
        'tibia lateral edge'
    """
    return name.replace("_", " ")


def is_series(name: str) -> bool:
    """Whether a measurement is one of many at fixed places of the joint."""
    return _SERIES.search(name) is not None


def label_measurement(name: str) -> str:
    """Write the name of a measurement as people say it.

    Example:
        >>> label_measurement("joint_space_width_medial_minimum")
        'Joint space width medial, minimum'
        >>> label_measurement("joint_space_width_medial_175")
        'Joint space width medial, at x = 0.175'
    """
    text = label_name(_SERIES.sub(r", at x = 0.\1", name.replace("_minimum", ", minimum")))
    return text[:1].upper() + text[1:]


def format_measurement(measurement: Mapping[str, Any]) -> tuple[str, str, str]:
    """Write value, uncertainty and unit; a missing number is empty.

    Example:
        >>> format_measurement({"value": 4.238, "unit": "mm", "uncertainty": 0.1})
        ('4.24', '± 0.10', 'mm')
    """
    unit = str(measurement["unit"])
    decimals = _DECIMALS.get(unit, 2)
    value, uncertainty = measurement.get("value"), measurement.get("uncertainty")
    if value is None:
        return "", "", _UNITS.get(unit, unit)
    if unit == "mm" and abs(value) < 1 and round(value, decimals) != value:
        decimals = 4 if uncertainty is None else decimals  # the size of a pixel
    spread = "" if uncertainty is None else f"\N{PLUS-MINUS SIGN} {uncertainty:.{decimals}f}"
    return f"{value:.{decimals}f}", spread, _UNITS.get(unit, unit)
