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
from kneebundle.io import views
from kneebundle.io.dicom_writing import write_dicom
from kneebundle.io.views import find_view
from kneebundle.landmarks import Landmarks
from kneebundle.pipelines import quality
from kneebundle.pipelines.by_view import PipelinesByView
from kneebundle.pipelines.knee_pa import KneePipeline
from kneebundle.pipelines.landmark_model import LandmarkModel
from kneebundle.pipelines.quality import check_border, check_implant
from kneebundle.radiograph import Radiograph, View
from kneebundle.results import ModelInfo, RadiographResult

OFFSETS = np.array([[4.0 * (i % 8) - 16.0, 5.0 * (i // 8)] for i in range(16)])


class FakeModel:
    """Finds the brightest pixel of the radiograph in reach of the region (plus fixed offsets, for 16 landmarks)."""

    region_mm = 140.0

    def __init__(self, count: int, confidence: dict[str, float] | None = None) -> None:
        self.count = count
        self.confidence = confidence or {}
        self.info = ModelInfo(f"fake-{count}", "0", "0")
        self.asked: list[list[dict[str, Any]]] = []

    def locate(
        self, items: Sequence[dict[str, Any]], *, mirror: bool = False, quick: bool = False
    ) -> list[torch.Tensor]:
        self.asked.append([dict(item) for item in items])
        return [self._locate(item) for item in items]

    def _locate(self, item: dict[str, Any]) -> torch.Tensor:
        image, affine = item["image"].numpy()[0], np.asarray(item["image"].affine)
        row, column = np.unravel_index(image.argmax(), image.shape)
        y, x = (affine @ [row, column, 0, 1])[:2]
        points = np.array([[x, y]]) if self.count == 1 else np.array([x, y]) + OFFSETS - OFFSETS[4]
        confidence = np.full((self.count, 1), self.confidence.get(item["side"], 0.9))
        return torch.from_numpy(np.hstack([points, confidence]))


def film(width_mm: float, height_mm: float, dots_mm: list[tuple[float, float]], **kwargs: Any) -> Radiograph:
    spacing = (0.5, 0.4)
    pixels = np.random.default_rng(0).random((round(height_mm / spacing[0]), round(width_mm / spacing[1])))
    for x, y in dots_mm:
        pixels[round(y / spacing[0]), round(x / spacing[1])] = 5.0
    return Radiograph(pixels, spacing, **kwargs)


def test_both_knees_of_a_bilateral_film_with_the_right_one_on_the_left() -> None:
    radiograph = film(400, 300, [(100, 140), (310, 160)])
    landmarks, roi = FakeModel(16), FakeModel(1)
    result = KneePipeline(landmarks, roi).predict(radiograph)  # type: ignore[arg-type]
    assert [knee.side for knee in result.knees] == ["R", "L"]
    assert result.radiograph.view == "pa-bilateral"
    for knee, (x, y) in zip(result.knees, [(100, 140), (310, 160)], strict=True):
        assert knee.landmarks is not None
        assert knee.landmarks.points[4] == pytest.approx([x / 0.4, y / 0.5], abs=0.51)
        assert knee.center_px == pytest.approx((x / 0.4, y / 0.5), abs=0.51)
    assert [info.bundle for info in result.models] == ["fake-1", "fake-16"]
    first, second = landmarks.asked
    assert first[0]["center_mm"] == pytest.approx([100, 140], abs=0.3), "the region lies where stage 1 saw the joint"
    assert len(second) == 2


def test_a_crop_of_one_knee_is_looked_at_in_its_middle_and_then_around_the_tibial_centre() -> None:
    landmarks = FakeModel(16)
    result = KneePipeline(landmarks).predict(film(100, 100, [(40, 60)], side="L"))  # type: ignore[arg-type]
    centers = [asked[0]["center_mm"] for asked in landmarks.asked]
    assert centers[0] == pytest.approx([49.8, 49.75])
    assert centers[1] == pytest.approx([40, 60])
    assert result.knees[0].side == "L"
    one_stage = FakeModel(16)
    KneePipeline(one_stage, stages=1).predict(film(100, 100, [(40, 60)], side="L"))  # type: ignore[arg-type]
    assert len(one_stage.asked) == 1


def test_an_unknown_side_is_the_surer_one_and_is_flagged() -> None:
    pipeline = KneePipeline(FakeModel(16, {"R": 0.3, "L": 0.6}))  # type: ignore[arg-type]
    knee = pipeline.predict(film(100, 100, [(40, 60)])).knees[0]
    assert knee.side == "L"
    assert [flag.code for flag in knee.flags] == ["side_guessed"]


def test_a_missing_knee_is_named_and_not_invented() -> None:
    radiograph = film(400, 300, [(100, 140)])
    pipeline = KneePipeline(FakeModel(16), FakeModel(1, {"L": 0.01}))  # type: ignore[arg-type]
    right, left = pipeline.predict(radiograph).knees
    assert right.landmarks is not None
    assert left.landmarks is None
    assert [flag.code for flag in left.flags] == ["not_a_knee"]
    assert "no knee joint was found on the left side" in left.flags[0].message


def test_landmarks_that_the_network_is_unsure_of_are_left_out() -> None:
    pipeline = KneePipeline(FakeModel(16, {"R": 0.05}))  # type: ignore[arg-type]
    knee = pipeline.predict(film(100, 100, [(40, 60)], side="R")).knees[0]
    assert knee.landmarks is None
    assert [flag.code for flag in knee.flags] == ["low_confidence"]


class JointModel(FakeModel):
    """Sure only of a bright pixel that lies well inside what it is shown."""

    def _locate(self, item: dict[str, Any]) -> torch.Tensor:
        found = super()._locate(item)
        affine = np.asarray(item["image"].affine)
        width = item["image"].shape[2] * affine[1, 1]
        inside = min(float(found[0, 0]) - affine[1, 3], affine[1, 3] + width - float(found[0, 0])) > 30
        bright = float(item["image"].max()) > 1.5
        found[:, 2] = 0.8 if inside and bright else 0.05
        return found


def test_a_patient_who_stood_off_the_middle_is_found_by_dividing_elsewhere() -> None:
    radiograph = film(400, 300, [(60, 140), (195, 150)])
    right, left = KneePipeline(FakeModel(16), JointModel(1)).predict(radiograph).knees  # type: ignore[arg-type]
    assert right.landmarks is not None and left.landmarks is not None
    assert right.landmarks.points[4] == pytest.approx([60 / 0.4, 140 / 0.5], abs=0.51)
    assert left.landmarks.points[4] == pytest.approx([195 / 0.4, 150 / 0.5], abs=0.51)


def test_one_knee_is_not_found_twice_by_dividing_elsewhere() -> None:
    radiograph = film(400, 300, [(100, 140)])
    right, left = KneePipeline(FakeModel(16), JointModel(1)).predict(radiograph).knees  # type: ignore[arg-type]
    assert right.landmarks is not None
    assert left.landmarks is None


def test_a_failing_radiograph_gets_an_error_and_the_others_a_result() -> None:
    pipeline = KneePipeline(FakeModel(16))  # type: ignore[arg-type]
    good = film(100, 100, [(40, 60)], side="R")
    results = pipeline.predict_batch([good, film(400, 300, []), replace(good, view="lateral"), good])
    assert [isinstance(result, KneeBundleError) for result in results] == [False, True, True, False]
    assert "knee_roi_localization" in str(results[1])
    assert "lateral" in str(results[2])
    assert [getattr(result, "field", None) for result in results] == [None, "view", "view", None]


def test_the_view_of_a_radiograph_is_found_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[Radiograph] = []

    def counted(radiograph: Radiograph) -> View:
        found.append(radiograph)
        return find_view(radiograph)

    monkeypatch.setattr(views, "find_view", counted)
    pixels = film(400, 300, [(100, 140), (310, 160)]).pixels
    write_dicom(tmp_path / "a", (800 * pixels).astype(np.uint16), (0.5, 0.4))
    read = PredictionFiles().read(ImageRequest(tmp_path / "a"), tmp_path / "a")
    pipelines = PipelinesByView(lambda: KneePipeline(FakeModel(16), FakeModel(1)), pytest.fail)  # type: ignore[arg-type]
    for radiograph in (read, replace(read, view=None)):
        found.clear()
        (result,) = pipelines.predict_batch([radiograph])
        assert isinstance(result, RadiographResult)
        assert result.radiograph.view == "pa-bilateral"
        assert len(found) == (radiograph.view is None), "known after reading; one made by hand is settled here"


def test_a_knee_cut_by_the_border_is_flagged() -> None:
    radiograph = film(100, 100, [])
    inside = Landmarks(np.full((16, 2), 50.0))
    assert check_border(inside, radiograph) is None
    points = inside.points.copy()
    points[[0, 9], 0] = -3
    flag = check_border(Landmarks(points), radiograph)
    assert flag is not None and flag.code == "cut_off" and "2 landmarks" in flag.message


def test_metal_in_the_joint_is_flagged_and_bright_bone_is_not() -> None:
    from kneebundle.phantoms.pa.knee import draw_knee

    for seed in range(4):
        radiograph, landmarks = draw_knee(np.random.default_rng(seed), side="R")
        assert check_implant(landmarks, radiograph) is None
        points = landmarks.points.astype(int)
        pixels = radiograph.pixels.copy()
        pixels[points[12, 1] - 60 : points[9:, 1].max(), points[9, 0] : points[15, 0]] = pixels.max() * 1.4
        flag = check_implant(landmarks, replace(radiograph, pixels=pixels))
        assert flag is not None and flag.code == "implant" and "arthroplasty" in flag.message


@pytest.fixture
def tiny_bundle(repository: Path, tmp_path: Path) -> Path:
    """The landmark bundle with a narrow network of random weights."""
    root = tmp_path / "knee_landmark_localization"
    shutil.copytree(repository / "bundles" / root.name / "configs", root / "configs")
    file = root / "configs" / "inference.json"
    config = json.loads(file.read_text())
    config["network_def"]["width"] = 4
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


def test_a_left_knee_and_its_mirror_image_get_mirrored_landmarks(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(quality.LOWEST_CONFIDENCE, "landmarks", 0.0)
    model = LandmarkModel(tiny_bundle, torch.device("cpu"))
    right = film(100, 90, [(40, 60)], side="R")
    left = replace(right, pixels=right.pixels[:, ::-1], side="L")
    pipeline = KneePipeline(model)
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
