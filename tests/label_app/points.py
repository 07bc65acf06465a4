"""A film with a label, for the tests of this folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from kneebundle.io.dicom_writing import write_dicom
from kneebundle.io.reading import read_radiograph
from kneebundle.landmarks import Landmarks
from kneebundle.radiograph import Side
from kneebundle.reports.json_report import to_document
from kneebundle.results import KneeResult, RadiographResult

ROWS, COLUMNS = 400, 500
SPACING_MM = (0.5, 0.4)


def knee_points(center: tuple[float, float]) -> np.ndarray:
    """(16, 2), two rows of points around a centre, in pixels as displayed."""
    x = np.concatenate([np.linspace(-80, 80, 9), np.linspace(-75, 75, 7)]) + center[0]
    y = np.concatenate([np.full(9, 10.0), np.full(7, -10.0)]) + center[1]
    return np.stack([x, y], axis=1)


CENTERS: dict[Side, tuple[float, float]] = {"R": (130.0, 200.0), "L": (370.0, 210.0)}


def write_film(path: Path, **attributes: Any) -> Path:
    """A DICOM film of both knees whose landmarks, as it is displayed, are bright spots."""
    pixels = np.random.default_rng(0).integers(100, 300, (ROWS, COLUMNS)).astype(np.uint16)
    for center in CENTERS.values():
        for x, y in knee_points(center).round().astype(int):
            pixels[y - 2 : y + 3, x - 2 : x + 3] = 4000
    write_dicom(path, pixels, SPACING_MM, view="pa-bilateral", attributes=attributes)
    if "PatientOrientation" in attributes:
        orientation = read_radiograph(path).orientation
        write_dicom(
            path, orientation.undo(pixels), orientation.pair(SPACING_MM), view="pa-bilateral", attributes=attributes
        )
    return path


def predict_exactly(path: Path) -> dict[str, Any]:
    """The document of a prediction that finds both knees exactly."""
    film = read_radiograph(path)
    knees = tuple(
        KneeResult(side, center, 140.0, Landmarks(knee_points(center), "px", confidence=np.full(16, 0.5)))
        for side, center in CENTERS.items()
    )
    return to_document(RadiographResult(film, knees))


def write_label(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content))
    return path
