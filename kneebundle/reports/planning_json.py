"""The planning in the JSON file of a lateral film."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from kneebundle.measurements.calibration_sphere import DIAMETER_MM, Sphere
from kneebundle.measurements.schoettle import AREA_MM, Line
from kneebundle.radiograph import Radiograph
from kneebundle.reports.points import list_points, locate_point, round_value
from kneebundle.results import LateralResult

__all__ = ["make_planning_document", "list_planning_measurements"]

_DIRECTION_DECIMALS = 6
_PIXEL_DECIMALS = 5


def make_planning_document(result: LateralResult, masks: Mapping[str, str]) -> dict[str, Any]:
    """Make the value of the key ``planning``.

    Points are in pixels of the file as it is stored, the direction of a line is of length 1 in those pixels. ``masks``
    names the bones that were found, each with its picture or, where none was written, null. ``area_mm`` is the radius
    around the Schoettle point in which an insertion is held to be right.

    Args:
        result: of a lateral film.
        masks: names of the mask pictures by bone.
    """
    radiograph, plan = result.radiograph, result.plan
    point = None
    if plan.point_px is not None and plan.radius_mm is not None:
        point = {**locate_point(np.array(plan.point_px), radiograph), "radius_mm": round_value(plan.radius_mm)}
    return {
        "side": radiograph.side,
        "landmarks": [] if result.landmarks is None else list_points(result.landmarks, radiograph),
        "lines": {name: _convert_line(line, radiograph) for name, line in plan.lines.items()},
        "schoettle_point": point,
        "area_mm": AREA_MM,
        "measurements": list_planning_measurements(result),
        "refused": plan.refused,
        "masks": {bone: masks.get(bone) for bone in result.bones},
        "sphere": None if result.sphere is None else _convert_sphere(result.sphere, radiograph),
    }


def list_planning_measurements(result: LateralResult) -> dict[str, dict[str, Any]]:
    """List the numbers of a lateral film by name, each with its value and unit.

    - ``pixel_height``, ``pixel_width``: the size of a pixel of the stored image, as ``spacing_source`` of the image
      gave it.
    - ``schoettle_circle_radius``: of the inner circle of LM1, LM2 and LM3, half the distance between LM2 and LM3.
    """
    height, width = result.radiograph.orientation.pair(result.radiograph.spacing_mm)
    numbers = {"pixel_height": height, "pixel_width": width}
    if result.plan.radius_mm is not None:
        numbers["schoettle_circle_radius"] = result.plan.radius_mm
    return {name: {"value": round(float(value), _PIXEL_DECIMALS), "unit": "mm"} for name, value in numbers.items()}


def _convert_line(line: Line, radiograph: Radiograph) -> dict[str, list[float]]:
    start = np.array(line.point_px)
    here, there = radiograph.to_stored_px(np.array([start, start + line.direction]))
    return {
        "point_px": [round_value(v) for v in here],
        "direction": [round(float(v), _DIRECTION_DECIMALS) for v in there - here],
    }


def _convert_sphere(sphere: Sphere, radiograph: Radiograph) -> dict[str, float]:
    x, y = radiograph.to_stored_px(np.array([[sphere.x, sphere.y]]))[0]
    return {"x_px": round_value(x), "y_px": round_value(y), "diameter_mm": DIAMETER_MM}
