"""KneePipeline: which knees a radiograph shows, where regions are cut, the second pass, ensembles, flags, errors."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser

from kneebundle.batch.image_files import PredictionFiles
from kneebundle.batch.request import ImageRequest
from kneebundle.errors import KneeBundleError
from kneebundle.io.dicom_writing import write_dicom
from kneebundle.landmarks import Landmarks
from kneebundle.pipelines.by_view import PipelinesByView
from kneebundle.pipelines.knee_pa import KneePipeline
from kneebundle.pipelines.landmark_model import LandmarkModel
from kneebundle.pipelines.quality import Thresholds, check_border
from kneebundle.radiograph import Radiograph, View
from kneebundle.results import RadiographResult
from tests.pipelines.content_fakes import IMPLANT, LEFT, RIGHT, FakeCheck, FakeLandmarks, FakeRoi, SeesEverywhere


class FakeModel(FakeLandmarks):
    """Finds the brightest pixel of the radiograph, and the mean knee around it."""

    def __init__(self, confidence: dict[str, float] | None = None) -> None:
        super().__init__()
        self.sure = confidence or {}

    def _locate(self, item: dict[str, Any]) -> torch.Tensor:
        image, affine = item["image"].numpy()[0], np.asarray(item["image"].affine)
        x, _ = item["center_mm"]
        near = np.abs(np.arange(image.shape[1]) * affine[1, 1] - x) < 60
        row, column = np.unravel_index((image * near).argmax(), image.shape)
        y, x = (affine @ [row, column, 0, 1])[:2]
        points = super()._locate({**item, "center_mm": np.array([x, y])})
        points[:, 2] = self.sure.get(item["side"], 0.9)
        return points


def film(width_mm: float, height_mm: float, dots_mm: list[tuple[float, float]], **kwargs: Any) -> Radiograph:
    spacing = (0.5, 0.4)
    pixels = np.random.default_rng(0).random((round(height_mm / spacing[0]), round(width_mm / spacing[1])))
    for x, y in dots_mm:
        pixels[round(y / spacing[0]), round(x / spacing[1])] = 5.0
    return Radiograph(pixels, spacing, **kwargs)


def make_pipeline(*knees: tuple[float, float, Any], landmarks: Any = None, **kwargs: Any) -> KneePipeline:
    """A pipeline with networks that know knees at (x, y) mm of a kind."""
    joints = [(x, y) for x, y, _ in knees]
    return KneePipeline(landmarks or FakeModel(), FakeCheck(*knees), FakeRoi(*joints), **kwargs)  # type: ignore[arg-type]


def codes(result: RadiographResult) -> list[list[str]]:
    return [[flag.code for flag in knee.flags] for knee in result.knees]


def test_both_knees_of_a_bilateral_film_with_the_right_one_on_the_left() -> None:
    radiograph = film(400, 300, [(100, 140), (310, 160)])
    landmarks = FakeModel()
    result = make_pipeline((100, 140, RIGHT), (310, 160, LEFT), landmarks=landmarks).predict(radiograph)
    assert [knee.side for knee in result.knees] == ["R", "L"]
    assert codes(result) == [[], []]
    assert result.radiograph.view == "pa-bilateral"
    for knee, (x, y) in zip(result.knees, [(100, 140), (310, 160)], strict=True):
        assert knee.landmarks is not None
        assert knee.landmarks.points[4] == pytest.approx([x / 0.4, y / 0.5], abs=0.51)
        assert knee.center_px == pytest.approx((x / 0.4, y / 0.5), abs=0.51)
    assert [info.bundle for info in result.models] == ["fake-roi", "fake-landmarks", "fake-check"]
    (first,) = landmarks.asked
    assert first[0]["center_mm"] == pytest.approx([100, 140], abs=0.3), "the region lies where stage 1 saw the joint"


def test_the_second_pass_is_for_knees_beside_the_middle_of_their_region() -> None:
    radiograph = film(400, 300, [(100, 140), (310, 160)])
    landmarks = FakeModel()
    make_pipeline((103, 140, RIGHT), (304, 160, LEFT), landmarks=landmarks).predict(radiograph)
    first, second = landmarks.asked
    assert [item["center_mm"][0] for item in first] == pytest.approx([103, 304], abs=0.3)
    assert [item["center_mm"][0] for item in second] == pytest.approx([310], abs=0.3)
    ensemble = FakeModel()
    ensemble.networks = ("one", "two")
    make_pipeline((100, 140, RIGHT), (310, 160, LEFT), landmarks=ensemble).predict(radiograph)
    assert [len(asked) for asked in ensemble.asked] == [2, 2]


def test_a_crop_of_one_knee_is_looked_at_in_its_middle_and_then_around_the_tibial_centre() -> None:
    landmarks = FakeModel()
    radiograph = film(100, 100, [(40, 60)], side="L")
    result = KneePipeline(landmarks, SeesEverywhere(LEFT)).predict(radiograph)  # type: ignore[arg-type]
    centers = [asked[0]["center_mm"] for asked in landmarks.asked]
    assert centers[0] == pytest.approx([49.8, 49.75])
    assert centers[1] == pytest.approx([40, 60])
    assert result.knees[0].side == "L"
    one_stage = FakeModel()
    KneePipeline(one_stage, SeesEverywhere(LEFT), stages=1).predict(radiograph)  # type: ignore[arg-type]
    assert len(one_stage.asked) == 1


@pytest.mark.parametrize("width", [430, 180])
@pytest.mark.parametrize("x", [80.0, 100.0])
def test_one_knee_gets_its_side_from_the_image_whatever_the_size_of_the_film(width: float, x: float) -> None:
    result = make_pipeline((x, 150, LEFT)).predict(film(width, 300, [(x, 150)]))
    assert [(knee.side, knee.landmarks is not None) for knee in result.knees] == [("L", True)]
    assert codes(result) == [[]]
    assert result.radiograph.view == "pa-single"


def test_a_doubtful_side_is_flagged_and_a_stated_one_is_taken() -> None:
    pipeline = make_pipeline((100, 150, (0.4, 0.6, 0.0, 0.0)))
    guessed = pipeline.predict(film(240, 300, [(100, 150)]))
    assert guessed.knees[0].side == "L"
    assert codes(guessed) == [["side_guessed"]]
    assert guessed.knees[0].flags[0].score == pytest.approx(0.6)
    for stated in (
        pipeline.predict(film(240, 300, [(100, 150)], side="R")),
        pipeline.predict(film(240, 300, [(100, 150)]), side="R"),
        pipeline.predict(film(240, 300, [(100, 150)], side="L"), side="R"),
    ):
        assert stated.knees[0].side == "R"
        assert codes(stated) == [[]]


def test_a_side_that_the_image_contradicts_is_flagged() -> None:
    result = make_pipeline((100, 150, LEFT)).predict(film(240, 300, [(100, 150)], side="R"))
    assert result.knees[0].side == "R"
    assert codes(result) == [["side_contradiction"]]
    mirrored = make_pipeline((100, 140, LEFT), (310, 160, RIGHT)).predict(film(400, 300, [(100, 140), (310, 160)]))
    assert codes(mirrored) == [["side_contradiction"]] * 2


def test_a_replaced_knee_is_not_measured_and_the_other_is() -> None:
    radiograph = film(400, 300, [(100, 140), (310, 160)])
    result = make_pipeline((100, 140, IMPLANT), (310, 160, LEFT)).predict(radiograph)
    assert [knee.landmarks is None for knee in result.knees] == [True, False]
    assert "implant" in codes(result)[0]
    assert result.knees[0].scores["implant"] == pytest.approx(0.9)
    flag = next(flag for flag in result.knees[0].flags if flag.code == "implant")
    assert (flag.score, flag.threshold) == (pytest.approx(0.1), 0.5)


def test_without_a_knee_nothing_is_measured() -> None:
    result = make_pipeline().predict(film(400, 300, []))
    assert [knee.landmarks for knee in result.knees] == [None]
    assert codes(result) == [["not_a_knee"]]


def test_a_missing_knee_is_named_and_not_invented() -> None:
    radiograph = film(400, 300, [(100, 140)], view="pa-bilateral")
    right, left = make_pipeline((100, 140, RIGHT)).predict(radiograph).knees
    assert right.landmarks is not None
    assert left.landmarks is None
    assert [flag.code for flag in left.flags] == ["not_a_knee"]
    assert "no knee joint from the front was found on the left side" in left.flags[0].message


def test_one_of_two_knees_that_was_asked_for_is_the_one_on_its_side() -> None:
    radiograph = film(400, 300, [(100, 140), (310, 160)], side="L")
    result = make_pipeline((100, 140, RIGHT), (310, 160, LEFT)).predict(radiograph)
    assert [knee.side for knee in result.knees] == ["L"]
    assert [flag.code for flag in result.flags] == ["view_contradiction"]
    assert result.knees[0].center_px[0] * 0.4 == pytest.approx(310, abs=0.3)


def test_landmarks_that_the_network_is_unsure_of_are_left_out() -> None:
    radiograph = film(100, 100, [(40, 60)], side="R")
    knee = KneePipeline(FakeModel({"R": 0.05}), SeesEverywhere()).predict(radiograph).knees[0]  # type: ignore[arg-type]
    assert knee.landmarks is None
    assert [flag.code for flag in knee.flags] == ["low_confidence"]


def test_landmarks_beside_the_joint_are_left_out() -> None:
    pipeline = make_pipeline((100, 150, RIGHT))
    knee = pipeline.predict(film(240, 300, [(125, 150)])).knees[0]
    assert knee.landmarks is None
    assert [flag.code for flag in knee.flags] == ["not_a_knee"], "the knee check looks again where the landmarks lie"


class CountingCheck(FakeCheck):
    """Counts the places that it looks at, and is as sure of a native knee as it is told."""

    def __init__(self, sure: float) -> None:
        super().__init__((100, 150, (sure, 0.0, 0.0, 1.0 - sure)))
        self.looks = 0

    def classify(self, image: Any, centers_mm: Sequence[np.ndarray]) -> list[Any]:
        self.looks += len(centers_mm)
        return super().classify(image, centers_mm)


@pytest.mark.parametrize(("sure", "off_mm", "again"), [(0.95, 2.0, 0), (0.95, 6.0, 1), (0.6, 2.0, 1)])
def test_a_clear_knee_is_checked_once_unless_its_joint_lies_elsewhere(sure: float, off_mm: float, again: int) -> None:
    check = CountingCheck(sure)
    pipeline = KneePipeline(FakeModel(), check, FakeRoi((100, 150)))  # type: ignore[arg-type]
    knee = pipeline.predict(film(180, 300, [(100 + off_mm, 150)], view="pa-single")).knees[0]
    assert knee.landmarks is not None
    assert check.looks == 1 + again
    assert knee.scores["joint_mm"] == pytest.approx(off_mm, abs=0.3)


@pytest.mark.parametrize("view", [None, "pa-bilateral"])
def test_a_patient_who_stood_off_the_middle_is_found(view: View | None) -> None:
    radiograph = film(400, 300, [(60, 140), (195, 150)], view=view)
    right, left = make_pipeline((60, 140, RIGHT), (195, 150, LEFT)).predict(radiograph).knees
    assert right.landmarks is not None and left.landmarks is not None
    assert right.landmarks.points[4] == pytest.approx([60 / 0.4, 140 / 0.5], abs=0.51)
    assert left.landmarks.points[4] == pytest.approx([195 / 0.4, 150 / 0.5], abs=0.51)


def test_one_knee_near_the_middle_is_not_found_twice() -> None:
    radiograph = film(400, 300, [(195, 140)], view="pa-bilateral")
    right, left = make_pipeline((195, 140, RIGHT)).predict(radiograph).knees
    assert right.landmarks is not None
    assert left.landmarks is None


class Upright(FakeCheck):
    """Sees a knee only where the radiograph is brighter above: one on its head, once that is turned."""

    def classify(self, image: Any, centers_mm: Sequence[np.ndarray]) -> list[Any]:
        pixels = image.numpy()[0]
        half = pixels.shape[0] // 2
        if pixels[:half].mean() > pixels[half:].mean() + 0.1:
            return SeesEverywhere().classify(image, centers_mm)
        return super().classify(image, centers_mm)


def test_a_knee_on_its_head_is_told_and_not_measured() -> None:
    radiograph = film(200, 200, [])
    radiograph.pixels[200:] += 1
    result = KneePipeline(FakeModel(), Upright(), FakeRoi()).predict(radiograph)  # type: ignore[arg-type]
    assert result.knees[0].landmarks is None
    assert codes(result) == [["turned"]]


def test_a_failing_radiograph_gets_an_error_and_the_others_a_result() -> None:
    pipeline = KneePipeline(FakeModel(), SeesEverywhere())  # type: ignore[arg-type]
    good = film(100, 100, [(40, 60)], side="R")
    results = pipeline.predict_batch([good, film(400, 300, []), replace(good, view="lateral"), good])
    assert [isinstance(result, KneeBundleError) for result in results] == [False, True, True, False]
    assert "knee_roi_localization" in str(results[1])
    assert "lateral" in str(results[2])
    assert [getattr(result, "field", None) for result in results] == [None, "view", "view", None]


def test_several_radiographs_are_predicted_together_as_one_by_one() -> None:
    radiographs = [film(400, 300, [(100, 140), (310, 160)]), film(240, 300, [(100, 140)])]
    pipeline = make_pipeline((100, 140, RIGHT), (310, 160, LEFT))
    together = pipeline.predict_batch(radiographs)
    for radiograph, result in zip(radiographs, together, strict=True):
        alone = pipeline.predict(radiograph)
        assert isinstance(result, RadiographResult)
        assert [knee.side for knee in result.knees] == [knee.side for knee in alone.knees]
        for one, other in zip(result.knees, alone.knees, strict=True):
            assert one.landmarks is not None and other.landmarks is not None
            np.testing.assert_array_equal(one.landmarks.points, other.landmarks.points)


def test_the_view_that_was_found_stands_in_the_result(tmp_path: Path) -> None:
    pixels = film(400, 300, [(100, 140), (310, 160)]).pixels
    write_dicom(tmp_path / "a", (800 * pixels).astype(np.uint16), (0.5, 0.4))
    read = PredictionFiles().read(ImageRequest(tmp_path / "a"), tmp_path / "a")
    assert read.view is None
    pipelines = PipelinesByView(lambda: make_pipeline((100, 140, RIGHT), (310, 160, LEFT)), pytest.fail)
    for radiograph, view in ((read, "pa-bilateral"), (replace(read, side="R"), "pa-single")):
        (result,) = pipelines.predict_batch([radiograph])
        assert isinstance(result, RadiographResult)
        assert result.radiograph.view == view


def test_a_knee_cut_by_the_border_is_flagged_and_not_measured() -> None:
    radiograph = film(100, 100, [])
    inside = Landmarks(np.full((16, 2), 50.0))
    assert check_border(inside, radiograph) is None
    points = inside.points.copy()
    points[[0, 9], 0] = -3
    flag = check_border(Landmarks(points), radiograph)
    assert flag is not None and flag.code == "cut_off" and "2 landmarks" in flag.message
    cut = KneePipeline(FakeModel(), SeesEverywhere()).predict(film(100, 100, [(15, 50)], side="R"))  # type: ignore[arg-type]
    assert cut.knees[0].landmarks is None
    assert codes(cut) == [["cut_off"]]


@pytest.fixture
def tiny_bundle(repository: Path, tmp_path: Path) -> Path:
    """The landmark bundle with a narrow network of random weights."""
    root = tmp_path / "knee_landmark_localization"
    shutil.copytree(repository / "bundles" / root.name / "configs", root / "configs")
    file = root / "configs" / "inference.json"
    config = json.loads(file.read_text())
    config["network_def"]["width"] = 4
    config["ensemble"] = True
    file.write_text(json.dumps(config))
    (root / "models").mkdir()
    for seed, name in enumerate(["model_fold0.pt", "model_fold1.pt"]):
        torch.manual_seed(seed)
        network = ConfigParser({"network": config["network_def"]}).get_parsed_content("network")
        torch.save(network.state_dict(), root / "models" / name)
    return root


def test_several_folds_give_their_mean_and_are_less_sure_where_they_disagree(tiny_bundle: Path) -> None:
    radiograph = film(100, 100, [(40, 60)], side="L")
    item = {"image": radiograph.to_metatensor(), "center_mm": np.array([50.0, 50.0]), "side": "L"}
    files = sorted((tiny_bundle / "models").glob("*.pt"))
    ensemble = LandmarkModel(tiny_bundle, torch.device("cpu")).locate([item])[0]
    each = [LandmarkModel(tiny_bundle, torch.device("cpu"), [file]).locate([item])[0] for file in files]
    torch.testing.assert_close(ensemble[:, :2], (each[0][:, :2] + each[1][:, :2]) / 2)
    assert bool((ensemble[:, 2] < (each[0][:, 2] + each[1][:, 2]) / 2).all())


def test_a_left_knee_and_its_mirror_image_get_mirrored_landmarks(tiny_bundle: Path) -> None:
    everything = Thresholds(landmarks=0.0, shape=1e9, residual_mm=1e9, scale=(0.0, 1e9), turn_deg=360.0, joint_mm=1e9)
    model = LandmarkModel(tiny_bundle, torch.device("cpu"))
    right = film(100, 90, [(40, 60)], side="R")
    left = replace(right, pixels=right.pixels[:, ::-1], side="L")
    pipeline = KneePipeline(model, SeesEverywhere(), thresholds=everything)  # type: ignore[arg-type]
    first, second = (pipeline.predict(r).knees[0].landmarks for r in (right, left))
    assert first is not None and second is not None
    mirrored = second.points * [-1, 1] + [right.columns - 1, 0]
    np.testing.assert_allclose(first.points, mirrored, atol=0.02)


def test_predicting_on_the_mirrored_region_too_makes_the_prediction_mirror(tiny_bundle: Path) -> None:
    model = LandmarkModel(tiny_bundle, torch.device("cpu"))
    radiograph = film(100, 90, [(40, 60)], side="R")
    turned = replace(radiograph, pixels=radiograph.pixels[:, ::-1])
    center = (radiograph.columns - 1) / 2 * 0.4
    items = [
        {"image": r.to_metatensor(), "center_mm": np.array([center, 45.0]), "side": "R"} for r in (radiograph, turned)
    ]
    once, mirrored = model.locate(items, mirror=True)
    np.testing.assert_allclose(once[:, 0], 2 * center - mirrored[:, 0], atol=0.02)
    np.testing.assert_allclose(once[:, 1:], mirrored[:, 1:], atol=0.02)


def test_a_bundle_without_weights_or_with_others_says_so(tiny_bundle: Path) -> None:
    for file in (tiny_bundle / "models").glob("*.pt"):
        file.unlink()
    with pytest.raises(KneeBundleError, match="no weights"):
        LandmarkModel(tiny_bundle, torch.device("cpu"))
    torch.save({"nothing": torch.zeros(1)}, tiny_bundle / "models" / "model.pt")
    with pytest.raises(KneeBundleError, match="do not fit") as error:
        LandmarkModel(tiny_bundle, torch.device("cpu"))
    assert len(error.value.reason) < 300, "torch's list of all keys is no line to read"
    with pytest.raises(KneeBundleError, match=r"inference\.json"):
        LandmarkModel(tiny_bundle.parent, torch.device("cpu"))


def test_what_cannot_be_asked_for_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(KneeBundleError, match="stages is 1 or 2, got 3") as raised:
        make_pipeline(stages=3)
    assert raised.value.field == "stages"
    pipeline = make_pipeline((75.0, 75.0, RIGHT))
    crop = film(150, 150, [(75, 75)])
    for view in ("lateral", "", "pa"):
        with pytest.raises(KneeBundleError, match="view is auto, pa-bilateral or pa-single, got") as raised:
            pipeline.predict(crop, view=view)
        assert raised.value.field == "view"
    assert pipeline.predict(crop, view="pa-single").radiograph.view == "pa-single"
    assert pipeline.predict(crop, view="pa-bilateral").radiograph.view == "pa-bilateral"


def test_one_radiograph_that_fails_raises_its_error() -> None:
    class Fails(FakeModel):
        def locate(self, *_: Any, **__: Any) -> Any:
            raise KneeBundleError("the region is empty")

    with pytest.raises(KneeBundleError, match="the region is empty"):
        make_pipeline((75.0, 75.0, RIGHT), landmarks=Fails()).predict(film(150, 150, [(75, 75)]))
