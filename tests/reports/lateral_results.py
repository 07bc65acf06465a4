"""A lateral result to report, on a DICOM file that stores the film upside down, turned or as it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from kneebundle.io.dicom_writing import write_dicom
from kneebundle.io.reading import read_radiograph
from kneebundle.landmarks import KNEE_LATERAL, Landmarks
from kneebundle.measurements.schoettle import Line, SchoettlePlan
from kneebundle.results import Flag, LateralResult, ModelInfo

ROWS, COLUMNS = 60, 40
POINT = (20.0, 25.0)


def write_source(path: Path, orientation: list[str] | None = None, **options: object) -> Path:
    """A lateral DICOM film of 60 x 40 pixels of 1 x 1.5 mm as stored; its patient has a name."""
    pixels = np.random.default_rng(0).integers(100, 4000, (ROWS, COLUMNS)).astype(np.uint16)
    known: dict[str, object] = {"PatientName": "Mustermann^Erika", "PatientID": "7", "StudyDate": "20200102"}
    if orientation is not None:
        known["PatientOrientation"] = orientation
    write_dicom(path, pixels, (1.0, 1.5), side="L", view="lateral", attributes={**known, **options})
    return path


def lateral_result(source: Path) -> LateralResult:
    """Two overlapping bones, one landmark, all lines and the point, in pixels of the film as displayed."""
    film = read_radiograph(source)
    masks = {bone: np.zeros(film.pixels.shape, dtype=bool) for bone in ("femur", "patella", "tibia", "fibula")}
    masks["femur"][5:30, 10:25] = True
    masks["tibia"][28:38, 8:20] = True
    lines = {
        "LM1": Line((12.0, 10.0), (0.0, 1.0)),
        "LM2": Line((12.0, 20.0), (1.0, 0.0)),
        "LM3": Line((12.0, 30.0), (0.8, 0.6)),
    }
    return LateralResult(
        radiograph=film,
        masks=masks,
        landmarks=Landmarks(np.array([[15.25, 30.5], [np.nan, np.nan]]), "px", KNEE_LATERAL, np.array([0.9, 0.0])),
        plan=SchoettlePlan(film.spacing_mm, lines, POINT, 6.0),
        models=(ModelInfo("knee_surgical_planning", "0.1.0", "ab" * 32),),
        flags=(Flag("spacing_from_sphere", "the sphere and the file differ"),),
    )
