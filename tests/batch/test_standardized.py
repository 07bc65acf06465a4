"""Runs of standardize: from predictions and from radiographs, resumed, with other settings, in all formats."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kneebundle.batch.engine import RunOptions
from kneebundle.batch.request import ImageRequest
from kneebundle.batch.run import RunSummary, predict_images
from kneebundle.batch.standardized import RecordedPipeline, find_records, list_recorded, standardize_images
from kneebundle.errors import KneeBundleError
from kneebundle.io.dicom_writing import write_dicom
from kneebundle.io.reading import read_radiograph
from kneebundle.landmarks import Landmarks
from kneebundle.radiograph import Radiograph
from kneebundle.reports.standardized import RegionSizes, StandardGrid, StandardSettings
from kneebundle.results import Flag, KneeResult, RadiographResult
from tests.reports.html.films import place_landmarks

SETTINGS = StandardSettings(StandardGrid(0.5, (80.0, 100.0)))
CENTERS = {"R": (75.0, 80.0), "L": (185.0, 80.0)}


class DrawnKnees:
    """Finds both knees where they are; the left one has a flag, but for files called ``clean``."""

    def predict_batch(self, radiographs: Sequence[Radiograph]) -> list[RadiographResult | KneeBundleError]:
        return [self.predict_one(radiograph) for radiograph in radiographs]

    def predict_one(self, radiograph: Radiograph) -> RadiographResult:
        knees = []
        for side, center in CENTERS.items():
            points = radiograph.mm_to_px(place_landmarks(side, center, 5.0))
            flagged = side == "L" and "clean" not in radiograph.path
            flags = (Flag("side_guessed", "the side was guessed"),) if flagged else ()
            knees.append(KneeResult(side, tuple(points[4]), 100.0, Landmarks(points), flags))  # type: ignore[arg-type]
        return RadiographResult(radiograph, tuple(knees))


def write_film(path: Path, name: str = "Mustermann^Erika") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(0).integers(300, 3000, (320, 520)).astype(np.uint16)
    known = {"PatientName": name, "PatientBirthDate": "19500102", "StudyDate": "20200102", "PatientSex": "F"}
    write_dicom(path, pixels, (0.5, 0.5), view="pa-bilateral", attributes=known)
    return path


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture
def predictions(tmp_path: Path) -> Path:
    """An output folder of predict with two films."""
    films = [write_film(tmp_path / "in" / "clean.dcm"), write_film(tmp_path / "in" / "flagged.dcm")]
    out = tmp_path / "out"
    predict_images([ImageRequest(film) for film in films], out, DrawnKnees, RunOptions(("json", "csv")))
    return out


def standardize(predictions: Path, output: Path, settings: StandardSettings = SETTINGS) -> RunSummary:
    records = find_records(predictions)
    return standardize_images(list_recorded(records), output, lambda: RecordedPipeline(records), settings)


def test_a_flagged_knee_is_left_out_and_listed(predictions: Path, tmp_path: Path) -> None:
    summary = standardize(predictions, tmp_path / "std")
    assert (summary.done, summary.errors) == (2, ())
    rows = read_csv(tmp_path / "std" / "standardized.csv")
    assert [(row["image"], row["left_out"]) for row in rows] == [
        ("clean_R.png", ""),
        ("clean_L.png", ""),
        ("flagged_R.png", ""),
        ("", "the side was guessed"),
    ]
    assert rows[3]["x0"] == "" and rows[3]["flags"] == "side_guessed"
    assert not (tmp_path / "std" / "flagged_L.png").exists()
    kept = replace(SETTINGS, keep_flagged=True)
    standardize(predictions, tmp_path / "std", kept)
    assert (tmp_path / "std" / "flagged_L.png").exists()


def test_the_table_leads_back_to_the_file_and_has_labels(predictions: Path, tmp_path: Path) -> None:
    standardize(predictions, tmp_path / "std")
    row = read_csv(tmp_path / "std" / "standardized.csv")[1]
    assert (row["rows"], row["columns"], row["mirrored"]) == ("160", "200", "1")
    affine = np.array([[float(row[f"a{i}{j}"]) for j in (1, 2, 3)] for i in (1, 2)])
    points = np.array([[float(row[f"x{i}"]), float(row[f"y{i}"]), 1.0] for i in range(16)])
    stored = place_landmarks("L", CENTERS["L"], 5.0) / 0.5
    np.testing.assert_allclose(points @ affine.T, stored, atol=0.005)
    assert points[1, 1] == pytest.approx(points[7, 1], abs=0.005)


def test_both_knees_of_a_film_have_the_same_greys_and_sixteen_bits_hold_them_all(
    predictions: Path, tmp_path: Path
) -> None:
    settings = replace(SETTINGS, formats=("png", "nifti"))
    standardize(predictions, tmp_path / "std", settings)
    knee = json.loads((tmp_path / "std" / "clean.json").read_text())["knees"][0]
    values = np.asarray(Image.open(tmp_path / "std" / "clean_R.png"))
    assert values.dtype == np.uint16 and values.shape == (160, 200)
    nifti = read_radiograph(tmp_path / "std" / "clean_R.nii.gz")
    np.testing.assert_allclose(nifti.pixels, values * knee["grey"]["slope"] + knee["grey"]["intercept"], rtol=1e-5)
    assert nifti.spacing_mm == pytest.approx((0.5, 0.5))
    assert nifti.pixels.min() >= 300 and nifti.pixels.max() <= 3000
    standardize(predictions, tmp_path / "std", replace(settings, bits=8))
    assert Image.open(tmp_path / "std" / "clean_R.png").mode == "L"


def test_a_dicom_picture_is_derived_from_its_film(predictions: Path, tmp_path: Path) -> None:
    from pydicom import dcmread

    standardize(predictions, tmp_path / "std", replace(SETTINGS, formats=("dicom",)))
    source = dcmread(tmp_path / "in" / "clean.dcm")
    right, left = (dcmread(tmp_path / "std" / f"clean_{side}.dcm") for side in "RL")
    assert right.ImageType[0] == "DERIVED" and right.PatientName == source.PatientName
    assert right.StudyInstanceUID == source.StudyInstanceUID
    assert right.SeriesInstanceUID == left.SeriesInstanceUID != source.SeriesInstanceUID
    assert len({source.SOPInstanceUID, right.SOPInstanceUID, left.SOPInstanceUID}) == 3
    assert right.SourceImageSequence[0].ReferencedSOPInstanceUID == source.SOPInstanceUID
    assert (right.ImageLaterality, left.ImageLaterality) == ("R", "L")
    assert list(left.PatientOrientation) == ["R", "F"]  # it is flipped, and says so
    assert read_radiograph(tmp_path / "std" / "clean_R.dcm").spacing_mm == (0.5, 0.5)


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="needs dciodvfy of dicom3tools")
def test_a_dicom_picture_has_what_the_standard_wants(predictions: Path, tmp_path: Path) -> None:
    standardize(predictions, tmp_path / "std", replace(SETTINGS, formats=("dicom",)))
    said = subprocess.run(["dciodvfy", tmp_path / "std" / "clean_L.dcm"], capture_output=True, text=True)
    assert "DXImageForPresentation" in said.stdout + said.stderr
    assert "Error" not in said.stdout + said.stderr


def test_nothing_of_the_patient_is_in_the_other_files(predictions: Path, tmp_path: Path) -> None:
    standardize(predictions, tmp_path / "std", replace(SETTINGS, formats=("png", "nifti"), regions=RegionSizes()))
    for file in filter(Path.is_file, (tmp_path / "std").rglob("*")):
        assert b"Mustermann" not in file.read_bytes() and b"19500102" not in file.read_bytes()


def test_dicom_pictures_need_a_dicom_film(tmp_path: Path) -> None:
    picture = tmp_path / "clean.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (320, 520)).astype(np.uint8)).save(picture)
    request = ImageRequest(picture, spacing_mm=0.5, view="pa-bilateral")
    settings = replace(SETTINGS, formats=("dicom",))
    summary = standardize_images([request], tmp_path / "std", DrawnKnees, settings)
    assert "derived from a DICOM image" in summary.errors[0][1]


def test_regions_are_cut_out_of_the_pictures(predictions: Path, tmp_path: Path) -> None:
    standardize(predictions, tmp_path / "std", replace(SETTINGS, regions=RegionSizes()))
    rows = read_csv(tmp_path / "std" / "regions.csv")
    assert [row["region"] for row in rows[:4]] == [
        *("medial_subchondral", "medial_trabecular", "lateral_subchondral", "lateral_trabecular")
    ]
    knee = np.asarray(Image.open(tmp_path / "std" / "clean_R.png"))
    x, y, width, height = (int(rows[0][key]) for key in ("x_px", "y_px", "width_px", "height_px"))
    assert (width, height) == (28, 12)
    piece = np.asarray(Image.open(tmp_path / "std" / rows[0]["image"]))
    np.testing.assert_array_equal(piece, knee[y : y + height, x : x + width])
    small = replace(SETTINGS, grid=StandardGrid(0.5, (32.0, 100.0)), regions=RegionSizes())
    standardize(predictions, tmp_path / "std", small)
    rows = read_csv(tmp_path / "std" / "regions.csv")
    assert rows[1]["left_out"] == "reaches beyond the picture" and rows[1]["image"] == ""
    assert not (tmp_path / "std" / "clean_R_medial_trabecular.png").exists()


def test_a_run_resumes_unless_the_settings_differ(predictions: Path, tmp_path: Path) -> None:
    out = tmp_path / "std"
    standardize(predictions, out)
    assert standardize(predictions, out).skipped == 2
    (out / "clean_L.png").unlink()
    assert standardize(predictions, out).skipped == 1 and (out / "clean_L.png").exists()
    other = replace(SETTINGS, formats=("nifti",))
    assert standardize(predictions, out, other).done == 2
    assert not (out / "clean_L.png").exists() and (out / "clean_L.nii.gz").exists()


def test_a_film_that_is_gone_or_has_changed_is_an_error_of_one_line(predictions: Path, tmp_path: Path) -> None:
    (tmp_path / "in" / "clean.dcm").unlink()
    write_dicom(tmp_path / "in" / "flagged.dcm", np.arange(400 * 500).reshape(400, 500) % 4000, (0.5, 0.5))
    summary = standardize(predictions, tmp_path / "std")
    reasons = dict(summary.errors)
    assert "this radiograph is not there" in reasons[str(tmp_path / "in" / "clean.dcm")]
    assert "400 x 500 pixels and its prediction 320 x 520" in reasons[str(tmp_path / "in" / "flagged.dcm")]
    assert len(read_csv(tmp_path / "std" / "errors.csv")) == 2


def test_radiographs_are_predicted_first(tmp_path: Path) -> None:
    film = write_film(tmp_path / "in" / "clean.dcm")
    summary = standardize_images([ImageRequest(film)], tmp_path / "std", DrawnKnees, SETTINGS)
    assert summary.done == 1 and (tmp_path / "std" / "clean_L.png").exists()


def test_a_radiograph_whose_prediction_is_gone_is_an_error(tmp_path: Path) -> None:
    film = read_radiograph(write_film(tmp_path / "film.dcm"))
    (found,) = RecordedPipeline({}).predict_batch([film])
    assert isinstance(found, KneeBundleError) and "its prediction is no longer found; predict it again" in found.reason
