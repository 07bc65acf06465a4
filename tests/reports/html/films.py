"""Predictions on noise, to be shown on pages."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from kneebundle.landmarks import Landmarks
from kneebundle.measurements.measurement import Measurement
from kneebundle.orientation import Orientation
from kneebundle.radiograph import Radiograph
from kneebundle.reports.json_report import to_document
from kneebundle.results import Flag, KneeResult, ModelInfo, RadiographResult

SPACING = (0.5, 0.4)
ROWS, COLUMNS = 400, 800
CENTERS_MM = {"R": (90.0, 100.0), "L": (230.0, 100.0)}
TIBIA = [(-38, 2), (-28, 0), (-12, 1), (-6, -6), (0, -3), (6, -7), (12, 1), (28, 0), (38, 2)]
FEMUR = [(-37, -9), (-28, -6), (-12, -8), (0, -20), (12, -8), (28, -6), (37, -9)]


def place_landmarks(side: str, center_mm: tuple[float, float], tilt_deg: float = 0.0) -> np.ndarray:
    """(16, 2) landmarks in mm, lateral to medial: of a right knee from left to right, tilted clockwise."""
    shape = np.array([*TIBIA, *FEMUR], dtype=float) * ([1, 1] if side == "R" else [-1, 1])
    tilt = np.deg2rad(tilt_deg)
    turn = np.array([[np.cos(tilt), -np.sin(tilt)], [np.sin(tilt), np.cos(tilt)]])
    return shape @ turn.T + center_mm


def make_radiograph(path: str = "films/knees.png", orientation: Orientation | None = None) -> Radiograph:
    pixels = np.random.default_rng(0).normal(100, 20, (ROWS, COLUMNS))
    return Radiograph(pixels, SPACING, path, view="pa-bilateral", orientation=orientation or Orientation())


def make_knee(side: str, radiograph: Radiograph, flags: tuple[Flag, ...] = ()) -> KneeResult:
    """A knee with two measurements and one that could not be taken."""
    points = radiograph.mm_to_px(place_landmarks(side, CENTERS_MM[side]))
    landmarks = Landmarks(points, "px", confidence=np.full(16, 0.75), radius_mm=np.full(16, 1.5))
    measurements = {
        "joint_space_width_medial_minimum": Measurement(
            "joint_space_width_medial_minimum", 4.256, "mm", 0.123, (points[[7, 14]], points[[6, 7]]), "edges"
        ),
        "femoral_width": Measurement("femoral_width", 74.0, "mm", None, (points[[9, 15]],)),
        "anatomical_tibiofemoral_angle": Measurement(
            "anatomical_tibiofemoral_angle", None, "deg", reason="no shaft is on the radiograph"
        ),
    }
    center = tuple(points[4])
    return KneeResult(side, center, 100.0, landmarks, flags, {"knee": 0.9}, measurements)  # type: ignore[arg-type]


def make_result(path: str = "films/knees.png", orientation: Orientation | None = None) -> RadiographResult:
    """Both knees; the left one has a flag."""
    radiograph = make_radiograph(path, orientation)
    flag = Flag("side_guessed", "the side was guessed", 0.6, 0.9)
    knees = (make_knee("R", radiograph), make_knee("L", radiograph, (flag,)))
    return RadiographResult(radiograph, knees, (ModelInfo("fake", "1.0", "ab" * 32),))


def without_landmarks(result: RadiographResult) -> RadiographResult:
    """The same, but the first knee has an implant and the other is gone."""
    flag = Flag("implant", "there is a knee replacement")
    return replace(result, knees=(replace(result.knees[0], landmarks=None, measurements={}, flags=(flag,)),))


def make_documents(count: int) -> dict[str, dict]:
    """Documents of many films by name; every tenth has an implant, and the widths differ."""
    document = to_document(make_result())
    plain = to_document(without_landmarks(make_result()))
    documents = {}
    for number in range(count):
        own = plain if number % 10 == 9 else document
        knees = [
            {**knee, "measurements": {name: dict(m) for name, m in knee["measurements"].items()}}
            for knee in own["knees"]
        ]
        for knee in knees:
            if knee["measurements"]:
                knee["measurements"]["joint_space_width_medial_minimum"]["value"] = 2.0 + (number * 7 % 100) / 25
        documents[f"film_{number:04d}"] = {
            **own,
            "image": {**own["image"], "path": f"cohort/{number % 7}/film_{number:04d}.dcm"},
            "knees": knees,
        }
    return documents
