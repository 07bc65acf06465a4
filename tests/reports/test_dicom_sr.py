"""The DICOM structured report, read back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread

from kneebundle.io.reading import read_radiograph
from kneebundle.landmarks import Landmarks
from kneebundle.measurements.measurement import Measurement
from kneebundle.reports.dicom_sr import has_content, write_structured_report
from kneebundle.reports.json_report import to_document
from kneebundle.results import KneeResult, ModelInfo, RadiographResult
from tests.reports.lateral_results import COLUMNS, ROWS, lateral_result, write_source
from tests.reports.test_dicom_seg import dicom_errors


def regions(path: Path) -> dict[str, tuple[str, np.ndarray, dict[str, tuple[float, str]]]]:
    """Shape, coordinates and measurements of what the report holds, by name."""
    import highdicom as hd

    found = {}
    content: Any = hd.sr.srread(path).content
    for group in content.get_planar_roi_measurement_groups():
        measured = {m.name.meaning: (m.value, m.unit.value) for m in group.get_measurements()}
        found[group.finding_type.value] = (group.roi.graphic_type.value, group.roi.value, measured)
    return found


def numbers(path: Path) -> dict[str, dict[str, tuple[float, str]]]:
    import highdicom as hd

    content: Any = hd.sr.srread(path).content
    groups = content.get_image_measurement_groups()
    return {
        g.tracking_identifier: {m.name.value: (m.value, m.unit.value) for m in g.get_measurements()} for g in groups
    }


def written(tmp_path: Path, **changes: Any) -> Path:
    source = write_source(tmp_path / "a.dcm")
    document = to_document(replace(lateral_result(source), **changes))
    write_structured_report(document, source, tmp_path / "a_sr.dcm")
    return tmp_path / "a_sr.dcm"


@pytest.mark.parametrize("lacking", ["PatientOrientation", "ImagerPixelSpacing"])
@pytest.mark.parametrize("value", [None, ""])
def test_an_image_that_does_not_tell_its_orientation_gets_a_report_too(
    tmp_path: Path, lacking: str, value: str | None
) -> None:
    source = write_source(tmp_path / "a.dcm")
    dataset = dcmread(source)
    setattr(dataset, lacking, None) if value == "" else delattr(dataset, lacking)
    dataset.save_as(source)
    write_structured_report(to_document(lateral_result(source)), source, tmp_path / "sr.dcm")
    assert "p_blum" in regions(tmp_path / "sr.dcm")
    assert dicom_errors(tmp_path / "sr.dcm") == []


def test_points_and_lines_count_from_the_corner_of_the_first_pixel(tmp_path: Path) -> None:
    found = regions(written(tmp_path))
    assert set(found) == {"p_blum", "LM1", "LM2", "LM3", "schoettle_point", "schoettle_circle", "schoettle_area"}
    shape, points, _ = found["p_blum"]
    assert shape == "POINT"
    np.testing.assert_allclose(points, [[15.75, 31.0]])
    shape, points, _ = found["LM1"]
    assert shape == "POLYLINE"
    np.testing.assert_allclose(points, [[12.5, 0.0], [12.5, ROWS]], atol=1e-4)
    np.testing.assert_allclose(found["LM2"][1], [[0.0, 20.5], [COLUMNS, 20.5]], atol=1e-4)
    np.testing.assert_allclose(found["schoettle_point"][1], [[20.5, 25.5]])


def test_a_circle_in_mm_is_an_ellipse_of_pixels_that_are_not_square(tmp_path: Path) -> None:
    found = regions(written(tmp_path))
    shape, points, measured = found["schoettle_circle"]
    assert shape == "ELLIPSE"
    np.testing.assert_allclose(points, [[20.5, 19.5], [20.5, 31.5], [16.5, 25.5], [24.5, 25.5]])
    assert measured == {"radius": (6.0, "mm")}
    assert found["schoettle_area"][2] == {"radius": (2.5, "mm")}


def test_a_circle_of_square_pixels_is_its_centre_and_a_point_of_it(tmp_path: Path) -> None:
    source = write_source(tmp_path / "a.dcm", PixelSpacing=[0.5, 0.5], ImagerPixelSpacing=[0.5, 0.5])
    write_structured_report(to_document(lateral_result(source)), source, tmp_path / "a_sr.dcm")
    shape, points, _ = regions(tmp_path / "a_sr.dcm")["schoettle_circle"]
    assert shape == "CIRCLE"
    np.testing.assert_allclose(points[0], [20.5, 25.5])
    assert np.linalg.norm(points[1] - points[0]) == pytest.approx(12.0)


def test_it_refers_to_the_film_and_belongs_to_its_patient(tmp_path: Path) -> None:
    read, image = dcmread(written(tmp_path)), dcmread(tmp_path / "a.dcm")
    for keyword in ("PatientName", "PatientID", "StudyInstanceUID"):
        assert read[keyword].value == image[keyword].value
    series = read.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0]
    assert series.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == image.SOPInstanceUID
    assert (read.Modality, read.VerificationFlag) == ("SR", "UNVERIFIED")
    assert numbers(tmp_path / "a_sr.dcm") == {
        "knee L": {"pixel_height": (1.0, "mm"), "pixel_width": (1.5, "mm"), "schoettle_circle_radius": (6.0, "mm")}
    }


def test_the_standard_is_kept(tmp_path: Path) -> None:
    assert dicom_errors(written(tmp_path)) == []


def test_films_from_the_front_are_reported_with_their_measurements(tmp_path: Path) -> None:
    source = write_source(tmp_path / "a.dcm")
    points = np.stack([np.linspace(1, 31, 16), np.where(np.arange(16) < 9, 30.0, 20.0)], axis=1)
    measured = {
        "femoral_width": Measurement("femoral_width", 80.5, "mm", 0.5),
        "joint_space_width_medial": Measurement("joint_space_width_medial", None, "mm", reason="not clear"),
        "tibial_plateau_tilt": Measurement("tibial_plateau_tilt", -2.25, "deg"),
    }
    knee = KneeResult("R", (10.0, 20.0), 140.0, Landmarks(points), measurements=measured)
    result = RadiographResult(read_radiograph(source), (knee,), (ModelInfo("b", "0.1", "ab"),))
    document = to_document(result)
    write_structured_report(document, source, tmp_path / "a_sr.dcm")
    found = regions(tmp_path / "a_sr.dcm")
    assert len(found) == 16
    np.testing.assert_allclose(found["tibia_lateral_plateau_outer"][1], [[3.5, 30.5]])
    assert numbers(tmp_path / "a_sr.dcm")["knee R"] == {
        "femoral_width": (80.5, "mm"),
        "tibial_plateau_tilt": (-2.25, "deg"),
    }
    assert dicom_errors(tmp_path / "a_sr.dcm") == []


def test_nothing_found_is_nothing_to_report(tmp_path: Path) -> None:
    result = lateral_result(write_source(tmp_path / "a.dcm"))
    assert has_content(to_document(result))
    plan = replace(result.plan, lines={}, point_px=None, radius_mm=None, refused="no femur was found")
    assert not has_content(to_document(replace(result, landmarks=None, plan=plan)))
    assert not has_content(to_document(RadiographResult(result.radiograph, ())))
