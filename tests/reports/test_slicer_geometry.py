"""Control points lie where 3D Slicer puts the pixels of the same file, as its reader computes that.

Slicer reads a single file by ITK as an image of three dimensions, makes the matrix from indices to LPS of ITK's
direction times its spacing, and changes the sign of L and P (vtkITKArchetypeImageSeriesReader, markups in LPS are
turned to RAS in the same way). :func:`ijk_to_ras_of_slicer` does as much.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import itk
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from kneebundle.cli.entry import cli
from kneebundle.io.dicom_writing import write_dicom
from kneebundle.io.placement import read_placement
from kneebundle.io.reading import read_radiograph
from kneebundle.landmarks import Landmarks
from kneebundle.reports.json_report import to_document
from kneebundle.reports.slicer_markups import read_markups, write_markups
from kneebundle.results import KneeResult, RadiographResult

ROWS, COLUMNS = 60, 40
POINTS = np.stack([np.linspace(0, COLUMNS - 1, 16), np.linspace(ROWS - 1.25, 0.5, 16)], axis=1)


def read_as_slicer(path: Path) -> Any:
    reader = itk.ImageFileReader[itk.Image[itk.F, 3]].New(FileName=str(path))
    reader.Update()
    return reader.GetOutput()


def ijk_to_ras_of_slicer(path: Path) -> np.ndarray:
    """(4, 4) of the volume that Slicer makes of the file."""
    image = read_as_slicer(path)
    matrix = np.eye(4)
    matrix[:3, :3] = itk.array_from_matrix(image.GetDirection()) * np.array(image.GetSpacing())
    matrix[:3, 3] = image.GetOrigin()
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ matrix


def draw() -> np.ndarray:
    return np.random.default_rng(0).integers(1, 250, (ROWS, COLUMNS)).astype(np.uint8)


def dicom(**attributes: Any) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        path = folder / "film.dcm"
        side = attributes.get("ImageLaterality", "R")
        pixels = draw().astype(np.uint16) * 10
        write_dicom(path, pixels, (0.2, 0.3), side=side, view="pa-single", attributes=attributes)
        return path

    return write


def picture(name: str, **options: Any) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        Image.fromarray(draw()).save(folder / name, **options)
        return folder / name

    return write


def placed(name: str, dimensions: int, direction: np.ndarray) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        pixels = draw() if dimensions == 2 else draw()[None]
        image = itk.image_from_array(pixels)
        image.SetSpacing([0.3, 0.2, 2.0][:dimensions])
        image.SetOrigin([10.0, -20.0, 30.0][:dimensions])
        image.SetDirection(itk.matrix_from_array(direction[:dimensions, :dimensions].astype(float)))
        itk.imwrite(image, str(folder / name))
        return folder / name

    return write


TURNED = np.diag([-1.0, -1.0, 1.0])
CORONAL = np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]])
ANGLE = np.deg2rad(20)
OBLIQUE = np.array([[np.cos(ANGLE), -np.sin(ANGLE), 0], [np.sin(ANGLE), np.cos(ANGLE), 0], [0, 0, 1]])

FILES = {
    "dicom, pixels not square": dicom(),
    "dicom of a left knee": dicom(ImageLaterality="L", PatientOrientation=["L", "F"]),
    "dicom of a CR": dicom(Modality="CR", SOPClassUID="1.2.840.10008.5.1.4.1.1.1"),
    "dicom whose two spacings differ": dicom(PixelSpacing=["0.15", "0.25"], PixelSpacingCalibrationType="GEOMETRY"),
    "dicom with PixelSpacing alone": dicom(ImagerPixelSpacing=None),
    "dicom with ImagerPixelSpacing alone": dicom(PixelSpacing=None),
    "dicom stored from right to left": dicom(PatientOrientation=["R", "F"]),
    "dicom with a place in the patient": dicom(
        ImagePositionPatient=["5", "6", "7"], ImageOrientationPatient=["1", "0", "0", "0", "0", "-1"]
    ),
    "png": picture("film.png"),
    "png that states a density": picture("film.png", dpi=(127, 127)),
    "jpeg that states a density": picture("film.jpg", dpi=(127, 254)),
    "nifti": placed("film.nii.gz", 3, np.eye(3)),
    "nifti, turned": placed("film.nii.gz", 3, TURNED),
    "nifti, coronal": placed("film.nii.gz", 3, CORONAL),
    "nifti, oblique": placed("film.nii.gz", 3, OBLIQUE),
    "mha": placed("film.mha", 2, np.eye(3)),
    "mha, coronal": placed("film.mha", 3, CORONAL),
}


def make_document(path: Path) -> dict[str, Any]:
    radiograph = read_radiograph(path, spacing_mm=0.9, side="L")
    landmarks = Landmarks(POINTS[:, ::-1] if radiograph.rows == COLUMNS else POINTS, "px")
    return to_document(RadiographResult(radiograph, (KneeResult("L", (15.0, 25.0), 140.0, landmarks),)))


@pytest.mark.parametrize("name", FILES)
def test_control_points_lie_on_the_pixels_that_slicer_shows(name: str, tmp_path: Path) -> None:
    path = FILES[name](tmp_path)
    document = make_document(path)
    write_markups(document, path, tmp_path / "film.mrk.json")
    content = json.loads((tmp_path / "film.mrk.json").read_text())
    (markup,) = content["markups"]
    assert markup["coordinateSystem"] == "LPS"
    lps = np.array([point["position"] for point in markup["controlPoints"]])
    pixels = np.array([[p["x_px"], p["y_px"]] for p in document["knees"][0]["landmarks"]])

    ras = lps * [-1, -1, 1]  # as Slicer turns markups, and volumes, too
    indices = np.concatenate([pixels, np.zeros((16, 1)), np.ones((16, 1))], axis=1)
    np.testing.assert_allclose(ras, (indices @ ijk_to_ras_of_slicer(path).T)[:, :3], atol=1e-5)

    image = read_as_slicer(path)
    for (x, y), position in zip(pixels, lps, strict=True):
        index = itk.ContinuousIndex[itk.D, 3]()
        for axis, value in enumerate((x, y, 0.0)):
            index[axis] = float(value)
        physical = image.TransformContinuousIndexToPhysicalPoint(index)
        np.testing.assert_allclose(position, np.array(physical), atol=1e-5)

    back = read_markups(content, read_placement(path))
    np.testing.assert_allclose(list(back.values()), pixels, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "diagonal"),
    [
        ("dicom, pixels not square", [-0.3, -0.2, 1]),  # ImagerPixelSpacing is (row, column)
        ("dicom of a CR", [-0.3, -0.2, 1]),
        ("dicom whose two spacings differ", [-0.3, -0.2, 1]),  # not the calibrated one
        ("png", [-1, -1, 1]),
        ("png that states a density", [-1, -1, 1]),
    ],
)
def test_a_radiograph_without_a_place_has_its_first_pixel_at_the_origin(
    name: str, diagonal: list[float], tmp_path: Path
) -> None:
    path = FILES[name](tmp_path)
    np.testing.assert_allclose(ijk_to_ras_of_slicer(path), np.diag([*diagonal, 1.0]), atol=1e-9)


def test_markups_are_as_the_schema_of_slicer_wants_them(tmp_path: Path) -> None:
    """The rules of markups-schema-v1.0.3.json for what is written."""
    path = FILES["dicom of a left knee"](tmp_path)
    write_markups(make_document(path), path, tmp_path / "film.mrk.json")
    content = json.loads((tmp_path / "film.mrk.json").read_text())
    assert set(content) == {"@schema", "markups"} and content["@schema"].endswith("markups-schema-v1.0.3.json#")
    for markup in content["markups"]:
        assert markup["type"] in ("Fiducial", "Line")
        assert (markup["coordinateSystem"], markup["coordinateUnits"]) == ("LPS", "mm")
        assert isinstance(markup["locked"], bool) and isinstance(markup["fixedNumberOfControlPoints"], bool)
        for point in markup["controlPoints"]:
            assert len(point["position"]) == 3 and all(isinstance(value, float) for value in point["position"])
            facing = np.reshape(point["orientation"], (3, 3))
            np.testing.assert_allclose(facing @ facing.T, np.eye(3))
            assert np.linalg.det(facing) == pytest.approx(1.0)
            assert all(isinstance(point[key], str) for key in ("id", "label", "description", "associatedNodeID"))
            assert all(isinstance(point[key], bool) for key in ("selected", "locked", "visibility"))
            assert point["positionStatus"] == "defined"


def test_convert_puts_points_where_predict_does(tmp_path: Path) -> None:
    path = FILES["dicom whose two spacings differ"](tmp_path)
    document = make_document(path)
    (tmp_path / "film.json").write_text(json.dumps(document))
    write_markups(document, path, tmp_path / "predicted.mrk.json")
    converted = tmp_path / "converted.mrk.json"
    answer = CliRunner().invoke(cli, ["convert", str(tmp_path / "film.json"), str(converted), "--images", str(path)])
    assert answer.exit_code == 0, answer.output
    first, second = (json.loads(file.read_text())["markups"] for file in (tmp_path / "predicted.mrk.json", converted))
    assert [p["position"] for p in first[0]["controlPoints"]] == [p["position"] for p in second[0]["controlPoints"]]
