"""An output folder as a prediction leaves it, made without networks: every landmark is a bright dot on its image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from kneebundle.annotation.films import PredictedFilm, PredictedFilms
from kneebundle.io.dicom_writing import write_dicom
from kneebundle.io.reading import read_radiograph
from kneebundle.landmarks import KNEE_LATERAL, KNEE_PA, Landmarks
from kneebundle.measurements.knee_shape import load_shape_model
from kneebundle.measurements.schoettle import Line, SchoettlePlan
from kneebundle.radiograph import Radiograph, Side, View
from kneebundle.reports.json_report import to_document, write_document
from kneebundle.reports.masks import write_masks
from kneebundle.results import Flag, KneeResult, LateralResult, ModelInfo, Prediction, RadiographResult

ROWS, COLUMNS = 300, 400
SPACING_MM = 0.5
MODEL = (ModelInfo("fake", "1.0", "0" * 64),)
CENTERS = {"R": (100.0, 150.0), "L": (300.0, 150.0)}
NAMES = ["both", "gone", "implant", "none", "side", "turned"]


def knee_points(side: Side, center: tuple[float, float], spacing_mm: tuple[float, float]) -> np.ndarray:
    """(16, 2) of the mean knee, in pixels of the image as displayed."""
    shape = load_shape_model().mean * ([1, 1] if side == "R" else [-1, 1])
    return shape / np.array(spacing_mm[::-1]) + center


def draw_dots(points: np.ndarray) -> np.ndarray:
    """(300, 400) uint8 with a dot at each point."""
    rows, columns = np.mgrid[:ROWS, :COLUMNS]
    image = 40.0 + 0.1 * rows + 0.05 * columns
    for x, y in points:
        image += 130 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * 1.5**2))
    return np.clip(image, 0, 255).astype(np.uint8)


def write_record(folder: Path, result: Prediction, masks: dict[str, str] | None = None) -> Path:
    path = folder / f"{Path(result.radiograph.path).stem}.json"
    write_document(to_document(result, masks), path)
    return path


def make_study(folder: Path) -> Path:
    """Make images/ and out/; gives out/.

    both: PNG with two knees. gone: the same, without the image. implant: a knee without landmarks. none: no knee. side:
    lateral PNG. turned: DICOM that is stored mirrored, with oblong pixels, and shows a right knee.
    """
    images, out = folder / "images", folder / "out"
    images.mkdir(parents=True)
    out.mkdir()
    for name in ("both", "gone"):
        write_record(out, predict_both(images / f"{name}.png"))
    (images / "gone.png").unlink()
    write_record(out, predict_none(images / "none.png"))
    write_record(out, predict_implant(images / "implant.png"))
    write_record(out, predict_turned(images / "turned.dcm"))
    lateral = predict_lateral(images / "side.png")
    write_record(out, lateral, write_masks(lateral, out, "side"))
    return out


def read_png(path: Path, pixels: np.ndarray, view: View) -> Radiograph:
    Image.fromarray(pixels).save(path)
    return read_radiograph(path, spacing_mm=SPACING_MM, view=view)


def found_knee(side: Side, radiograph: Radiograph, center: tuple[float, float]) -> KneeResult:
    points = knee_points(side, center, radiograph.spacing_mm)
    confidence = np.linspace(0.5, 0.9, len(KNEE_PA))
    return KneeResult(side, center, 140.0, Landmarks(points, "px", confidence=confidence))


def predict_both(path: Path) -> RadiographResult:
    spacing = (SPACING_MM, SPACING_MM)
    sides: tuple[Side, Side] = ("R", "L")
    dots = np.concatenate([knee_points(side, CENTERS[side], spacing) for side in sides])
    radiograph = read_png(path, draw_dots(dots), "pa-bilateral")
    return RadiographResult(radiograph, tuple(found_knee(side, radiograph, CENTERS[side]) for side in sides), MODEL)


def predict_none(path: Path) -> RadiographResult:
    return RadiographResult(read_png(path, draw_dots(np.zeros((0, 2))), "pa-bilateral"), (), MODEL)


def predict_implant(path: Path) -> RadiographResult:
    radiograph = read_png(path, draw_dots(np.zeros((0, 2))), "pa-single")
    knee = KneeResult("R", (200.0, 150.0), 140.0, None, (Flag("implant", "a knee replacement"),))
    return RadiographResult(radiograph, (knee,), MODEL)


def predict_turned(path: Path) -> RadiographResult:
    spacing = (0.5, 0.4)
    center = (150.0, 140.0)
    shown = draw_dots(knee_points("R", center, spacing)).astype(np.uint16)
    attributes = {"PatientOrientation": ["R", "F"], "PatientID": "4711"}
    write_dicom(path, np.ascontiguousarray(shown[:, ::-1]), spacing, side="R", view="pa-single", attributes=attributes)
    radiograph = read_radiograph(path)
    return RadiographResult(radiograph, (found_knee("R", radiograph, center),), MODEL)


def predict_lateral(path: Path) -> LateralResult:
    points = np.array([[214.0, 180.0], [201.0, 160.0]])  # p_blum and p_tmc; LM1 runs down the column 200
    radiograph = read_png(path, draw_dots(points), "lateral")
    femur = np.zeros(radiograph.pixels.shape, dtype=bool)
    femur[20:220, 200:260] = True
    lines = {
        "LM1": Line((200.0, 100.0), (0.0, 1.0)),
        "LM2": Line((200.0, 160.0), (1.0, 0.0)),
        "LM3": Line((200.0, 180.0), (1.0, 0.0)),
    }
    plan = SchoettlePlan(radiograph.spacing_mm, lines, (210.0, 170.0), 5.0)
    found = Landmarks(points, "px", KNEE_LATERAL, np.array([0.9, 0.8]))
    return LateralResult(radiograph, {"femur": femur}, found, plan, None, MODEL)


def get_film(out: Path, name: str) -> tuple[PredictedFilm, Radiograph]:
    films = PredictedFilms(out)
    film = films.find(name)
    assert film is not None
    return film, films.open(film)
