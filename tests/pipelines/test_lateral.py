"""From a lateral film to the Schoettle point in the pixels of the original image."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kneebundle.errors import KneeBundleError
from kneebundle.io.dicom_spacing import DETECTOR_NOTE
from kneebundle.io.dicom_writing import write_dicom
from kneebundle.measurements.calibration_sphere import Sphere
from kneebundle.pipelines import lateral as lateral_pipeline
from kneebundle.pipelines.lateral import LateralPipeline
from kneebundle.radiograph import UNCALIBRATED, Radiograph
from kneebundle.results import LateralResult
from tests.batch.lateral_fakes import RADIUS, DrawnKnee, ExactModel, film

FILMS = [
    (260, 180, (0.9, 1.2), 1),
    (400, 330, (0.6, 0.6), -1),
    (120, 240, (2.0, 1.0), 1),
]


@pytest.fixture(autouse=True)
def no_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """These films are noise: there is no sphere to look for, and nothing that tells a lateral one."""
    monkeypatch.setattr(lateral_pipeline, "find_sphere", lambda *_: None)
    monkeypatch.setattr(lateral_pipeline, "check_lateral", lambda *_: None)


def predict(radiograph: Radiograph, knee: DrawnKnee | None) -> LateralResult:
    return LateralPipeline(ExactModel(knee)).predict(radiograph)


def knee_on(radiograph: Radiograph, facing: int = 1) -> DrawnKnee:
    height, width = radiograph.rows * radiograph.spacing_mm[0], radiograph.columns * radiograph.spacing_mm[1]
    return DrawnKnee((width / 2 - 10 * facing, height / 2 - 10), facing=facing)


@pytest.mark.parametrize(("rows", "columns", "spacing", "facing"), FILMS)
def test_the_plan_is_the_drawn_one_in_pixels_of_the_film(
    rows: int, columns: int, spacing: tuple[float, float], facing: int
) -> None:
    radiograph = film(rows, columns, spacing)
    knee = knee_on(radiograph, facing)
    result = predict(radiograph, knee)
    assert result.plan.refused is None and result.plan.point_px is not None
    np.testing.assert_allclose(result.plan.point_px, radiograph.mm_to_px(knee.schoettle_mm[None])[0], atol=0.02)
    assert result.plan.radius_mm == pytest.approx(RADIUS, abs=0.01)
    assert result.plan.spacing_mm == pytest.approx(spacing)
    assert result.landmarks is not None
    np.testing.assert_allclose(result.landmarks.points, radiograph.mm_to_px(knee.landmarks_mm), atol=0.02)
    along = np.array(result.plan.lines["LM1"].direction) * spacing[::-1]
    np.testing.assert_allclose(along / np.linalg.norm(along), knee.distal, atol=1e-3)


@pytest.mark.parametrize(("rows", "columns", "spacing", "facing"), FILMS)
def test_the_masks_are_the_drawn_bones_at_the_films_resolution(
    rows: int, columns: int, spacing: tuple[float, float], facing: int
) -> None:
    radiograph = film(rows, columns, spacing)
    knee = knee_on(radiograph, facing)
    masks = predict(radiograph, knee).masks
    y, x = np.mgrid[:rows, :columns]
    for bone, distance in knee.bones().items():
        away = distance(np.stack([x * spacing[1], y * spacing[0]], axis=-1))
        assert masks[bone].shape == (rows, columns)
        assert masks[bone][away < -0.6].all(), bone
        assert not masks[bone][away > 0.6].any(), bone


def test_bones_overlap_and_a_spot_is_no_bone() -> None:
    radiograph = film(260, 180, (0.9, 1.2))
    knee = knee_on(radiograph)
    drawn = knee.bones()
    spot = knee.at(-60.0, 60.0)
    knee.bones = lambda: {  # type: ignore[method-assign]
        **drawn,
        "patella": lambda p: np.linalg.norm(p - spot, axis=-1) - 2.0,
        "femur": lambda p: np.minimum(drawn["femur"](p), np.linalg.norm(p - spot, axis=-1) - 12.0),
    }
    result = predict(radiograph, knee)
    assert result.bones == ("femur", "tibia", "fibula")
    assert (result.masks["tibia"] & result.masks["fibula"]).any()
    x, y = np.round(radiograph.mm_to_px(spot[None])[0]).astype(int)
    assert not result.masks["femur"][y, x], "only the largest part of a bone is the bone"


def test_a_landmark_that_was_not_found_is_no_point_and_no_plan() -> None:
    radiograph = film(260, 180, (0.9, 1.2))
    knee = knee_on(radiograph)
    knee.landmarks_mm = np.array([[1e4, 1e4], knee.landmarks_mm[1]])
    result = predict(radiograph, knee)
    assert result.landmarks is not None
    assert np.isnan(result.landmarks.points[0]).all() and np.isfinite(result.landmarks.points[1]).all()
    assert result.plan.refused == "p_blum could not be found"
    assert result.flagged and result.plan.point_px is None


def test_what_is_not_lateral_is_flagged_and_not_planned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lateral_pipeline, "check_lateral", lambda *_: "it looks like a film from the front")
    radiograph = film(260, 180, (0.9, 1.2))
    result = predict(radiograph, knee_on(radiograph))
    assert result.plan.refused == "it looks like a film from the front"
    assert (result.bones, result.landmarks, result.plan.lines, result.flagged) == ((), None, {}, True)


def test_the_sphere_goes_before_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    radiograph = replace(film(400, 330, (0.6, 0.6)), notes=(DETECTOR_NOTE, "another note"))
    monkeypatch.setattr(lateral_pipeline, "find_sphere", lambda *_: Sphere(40.0, 40.0, 30.0, 0.9))
    knee = DrawnKnee((70.0, 90.0))
    result = predict(radiograph, knee)
    assert result.radiograph.spacing_mm == pytest.approx((0.5, 0.5))
    assert (result.radiograph.spacing_source, result.radiograph.notes) == ("sphere", ("another note",))
    (flag,) = result.flags
    assert flag.code == "spacing_from_sphere"
    assert "0.6" in flag.message and "0.5" in flag.message
    assert result.plan.point_px is not None
    np.testing.assert_allclose(result.plan.point_px, knee.schoettle_mm / 0.5, atol=0.02)


def test_a_sphere_that_contradicts_the_file_is_flagged_and_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lateral_pipeline, "find_sphere", lambda *_: Sphere(40.0, 40.0, 100.0, 0.9))
    radiograph = film(400, 330, (0.6, 0.6))
    result = predict(radiograph, knee_on(radiograph))
    assert result.radiograph.spacing_mm == (0.6, 0.6)
    assert [flag.code for flag in result.flags] == ["sphere_contradicts_spacing"]


def test_without_spacing_the_sphere_alone_gives_it_and_without_both_it_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    radiograph = replace(film(400, 330, (1.0, 1.0)), spacing_source=UNCALIBRATED)
    error, other = LateralPipeline(ExactModel(None)).predict_batch([radiograph, film(400, 330, (0.6, 0.6))])
    assert isinstance(error, KneeBundleError) and error.field == "spacing_mm"
    assert error.reason.endswith("the size of a pixel in mm is needed")
    assert isinstance(other, LateralResult)
    asked = []

    def find(pixels: np.ndarray, spacing_mm: tuple[float, float] | None) -> Sphere:
        asked.append(spacing_mm)
        return Sphere(40.0, 40.0, 30.0, 0.9)

    monkeypatch.setattr(lateral_pipeline, "find_sphere", find)
    knee = DrawnKnee((70.0, 90.0))
    result = predict(radiograph, knee)
    assert asked == [None]
    assert (result.radiograph.spacing_source, result.flags) == ("sphere", ())
    assert result.plan.point_px is not None
    np.testing.assert_allclose(result.plan.point_px, knee.schoettle_mm / 0.5, atol=0.02)


def test_a_file_is_read_as_a_lateral_film_and_one_that_cannot_be_used_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = film(260, 180, (0.5, 0.5))
    write_dicom(tmp_path / "film.dcm", np.round(drawn.pixels - drawn.pixels.min()).astype(np.uint16), (0.5, 0.5))
    pipeline = LateralPipeline(ExactModel(None))
    result = pipeline.predict(tmp_path / "film.dcm")
    assert (result.radiograph.view, result.plan.refused is not None) == ("lateral", True)
    refused = KneeBundleError("nothing is on it", "film.dcm")
    monkeypatch.setattr(pipeline, "predict_batch", lambda films: [refused] * len(films))
    with pytest.raises(KneeBundleError, match="nothing is on it"):
        pipeline.predict(drawn)
