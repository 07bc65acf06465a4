"""Labels as people send them: the points of a prediction's JSON, corrected, or markups of 3D Slicer."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kneebundle.errors import KneeBundleError, in_brief
from kneebundle.io.placement import Placement
from kneebundle.landmarks import KNEE_PA
from kneebundle.radiograph import Side
from kneebundle.reports.slicer_markups import read_markups

__all__ = ["KneeLabel", "read_label_spacing", "parse_label", "read_label"]

_MARKED = re.compile(r"([RL])[\s_-]+(\w+)")
_SIDES: tuple[Side, Side] = ("R", "L")


@dataclass(frozen=True)
class KneeLabel:
    """The landmarks of one knee: (16, 2), x and y, in pixels of the image as stored."""

    side: Side
    points_px: np.ndarray


def read_label(path: Path) -> dict[str, Any]:
    """Read a label file.

    Raises:
        KneeBundleError: if it is not JSON with ``knees``, ``markups`` or, of a lateral film, ``planning``.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise KneeBundleError(f"the label cannot be read as JSON ({in_brief(error)})", path) from error
    if not isinstance(content, dict) or not ({"knees", "markups", "planning"} & content.keys()):
        raise KneeBundleError(
            "the label has neither 'knees' nor 'markups'; send the JSON of the prediction, corrected, "
            "or 3D Slicer's .mrk.json",
            path,
        )
    return content


def read_label_spacing(content: Mapping[str, Any]) -> tuple[float, float] | None:
    """Read the pixel spacing in mm, (row, column), that the prediction rests on; None where the label does not say."""
    try:
        row_mm, column_mm = (float(value) for value in content["image"]["spacing_mm"])
    except (KeyError, TypeError, ValueError):
        return None
    return row_mm, column_mm


def parse_label(content: Mapping[str, Any], placement: Placement, path: Path) -> list[KneeLabel]:
    """Parse the knees of a label.

    Args:
        content: of :func:`read_label`.
        placement: of the image, for markups.
        path: of the label, for the error.

    Returns:
        The knees, right one first; a knee without any landmark is left out.

    Raises:
        KneeBundleError: if a landmark of a knee is missing, unknown, double or not a pair of numbers, if no knee has
            any, or if the label is of a lateral film.
    """
    if "planning" in content:
        raise KneeBundleError("the label is of a lateral film; the landmarks of knees from the front are needed", path)
    try:
        points = (
            _parse_knees(content["knees"]) if "knees" in content else _parse_markups(read_markups(content, placement))
        )
        knees = [KneeLabel(side, _check_complete(points[side], side)) for side in _SIDES if points[side]]
    except KneeBundleError as error:
        raise KneeBundleError(error.reason, path) from error
    if not knees:
        raise KneeBundleError("the label has no landmarks; give the 16 points of a knee", path)
    return knees


_Points = dict[str, np.ndarray]


def _parse_knees(knees: Any) -> dict[Side, _Points]:
    found: dict[Side, _Points] = {side: {} for side in _SIDES}
    try:
        for knee in knees:
            if knee["side"] not in found:
                raise KneeBundleError(f"the side of a knee is {knee['side']!r}; R or L is needed")
            for point in knee["landmarks"]:
                name = _get_name(point)
                if name in found[knee["side"]]:
                    raise KneeBundleError(f"knee {knee['side']} has {name} twice; keep one")
                found[knee["side"]][name] = np.array([float(point["x_px"]), float(point["y_px"])])
    except (KeyError, TypeError, ValueError) as error:
        raise KneeBundleError(
            f"a landmark is not as in a prediction ({in_brief(error)}); each needs name or id, x_px and y_px"
        ) from error
    return found


def _get_name(point: Mapping[str, Any]) -> str:
    if "name" in point:
        return str(point["name"])
    number = int(point["id"])
    if not 0 <= number < len(KNEE_PA):
        raise KneeBundleError(f"there is no landmark {number}; ids go from 0 to {len(KNEE_PA) - 1}")
    return KNEE_PA.names[number]


def _parse_markups(points: Mapping[str, np.ndarray]) -> dict[Side, _Points]:
    """Take the points called ``R tibia_center`` and so on; others, such as a person's own marks, are left out."""
    found: dict[Side, _Points] = {side: {} for side in _SIDES}
    for label, place in points.items():
        match = _MARKED.fullmatch(label)
        if match is not None:
            found["R" if match[1] == "R" else "L"][match[2]] = place
    return found


def _check_complete(points: _Points, side: Side) -> np.ndarray:
    unknown = [name for name in points if name not in KNEE_PA.names]
    if unknown:
        raise KneeBundleError(f"knee {side} has a landmark {unknown[0]!r}, which is none of {', '.join(KNEE_PA.names)}")
    missing = [name for name in KNEE_PA.names if name not in points]
    if missing:
        raise KneeBundleError(
            f"knee {side} has {len(points)} of {len(KNEE_PA)} landmarks, {missing[0]} is missing; place all of them"
        )
    placed = np.array([points[name] for name in KNEE_PA.names])
    if not np.isfinite(placed).all():
        raise KneeBundleError(f"knee {side} has coordinates that are not finite; place the points again")
    return placed
