from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kneebundle.io.dicom import read_dicom
from kneebundle.io.dicom_writing import write_dicom
from kneebundle.io.reading import read_radiograph

UNTURNED = (["L", "F"], lambda image: image)
STORED_AS = {
    "as displayed": UNTURNED,
    "from behind": (["R", "F"], lambda image: image[:, ::-1]),
    "head down": (["L", "H"], lambda image: image[::-1]),
    "rotated by 180 degrees": (["R", "H"], lambda image: image[::-1, ::-1]),
    "transposed": (["F", "L"], lambda image: image.T),
    "rotated by 90 degrees": (["H", "L"], lambda image: np.rot90(image, -1)),
    "with a tilt": (["LF", "FR"], lambda image: image),
    "without orientation": (None, lambda image: image),
    "with nonsense": (["A", "R"], lambda image: image),
}


@pytest.mark.parametrize("name", STORED_AS)
def test_the_patient_faces_the_viewer_however_the_film_was_stored(tmp_path: Path, knee: np.ndarray, name: str) -> None:
    orientation, store = STORED_AS[name]
    stored = np.ascontiguousarray(store(knee))
    is_on_its_side = stored.shape != knee.shape
    spacing = (0.3, 0.2) if is_on_its_side else (0.2, 0.3)
    attributes = {"PatientOrientation": orientation}
    write_dicom(tmp_path / "knee.dcm", stored, spacing, side="R", view="pa-single", attributes=attributes)

    read = read_radiograph(tmp_path / "knee.dcm")

    np.testing.assert_array_equal(read.pixels, knee)
    assert read.spacing_mm == (0.2, 0.3)
    assert any("for display (PatientOrientation" in note for note in read.notes) == (not np.array_equal(stored, knee))


@pytest.mark.parametrize(("direction", "upright"), [("F", True), ("H", False)])
@pytest.mark.parametrize("facing", ["A", "P"])
def test_a_lateral_film_is_put_upright_and_not_mirrored(
    tmp_path: Path, knee: np.ndarray, facing: str, direction: str, upright: bool
) -> None:
    attributes = {"PatientOrientation": [facing, direction]}
    stored = knee if upright else np.ascontiguousarray(knee[::-1])
    write_dicom(tmp_path / "knee.dcm", stored, (0.2, 0.2), side="L", view="lateral", attributes=attributes)
    read = read_radiograph(tmp_path / "knee.dcm")
    np.testing.assert_array_equal(read.pixels, knee)
    assert (read.side, read.view) == ("L", "lateral")


@pytest.mark.parametrize(
    ("attributes", "view", "side"),
    [
        ({"ViewPosition": "PA", "ImageLaterality": "B"}, "pa-bilateral", None),
        ({"ViewPosition": "AP", "ImageLaterality": "R"}, "pa-single", "R"),
        ({"ViewPosition": "AP", "Laterality": "L"}, "pa-single", "L"),
        ({"ViewPosition": "AP", "ImageLaterality": "R", "Laterality": "L"}, "pa-single", "R"),
        ({"ViewPosition": "LL", "Laterality": "L"}, "lateral", "L"),
        ({"ViewPosition": "RL", "Laterality": "R"}, "lateral", "R"),
        ({"ViewPosition": "LATERAL"}, "lateral", None),
        ({"ViewPosition": "PA", "SeriesDescription": "KNEES BILATERAL"}, "pa-bilateral", None),
        ({"SeriesDescription": "Bilateral PA Fixed Flexion Knee"}, "pa-bilateral", None),
        ({"SeriesDescription": "Knee lateral", "Laterality": "R"}, "lateral", "R"),
        ({"SeriesDescription": "Knee AP/LAT"}, None, None),
        ({"ViewPosition": "PA", "PixelSpacing": [2, 2], "ImagerPixelSpacing": None}, None, None),
        ({"ViewPosition": "TAN", "Laterality": "R"}, None, "R"),
        ({"PatientOrientation": ["A", "F"]}, "lateral", None),
        ({}, None, None),
    ],
)
def test_side_and_view_are_those_that_the_file_states(
    tmp_path: Path, knee: np.ndarray, attributes: dict[str, Any], view: str | None, side: str | None
) -> None:
    write_dicom(tmp_path / "knee.dcm", knee, (0.2, 0.2), attributes=attributes)
    stated = read_dicom(tmp_path / "knee.dcm", None)
    assert (stated.view, stated.side) == (view, side)


@pytest.mark.parametrize("columns", [180, 90])
def test_width_does_not_tell_one_knee_from_two(tmp_path: Path, columns: int) -> None:
    image = np.add.outer(np.arange(90), np.arange(columns))
    write_dicom(tmp_path / "knee.dcm", image, (2, 2), attributes={"ViewPosition": "PA"})
    assert read_dicom(tmp_path / "knee.dcm", None).view is None
