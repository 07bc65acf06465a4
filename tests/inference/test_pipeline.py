"""KneePipeline: which knees a film shows, where regions are cut, the second pass, ensembles, what is not answered."""

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

from kneebundle.errors import KneeBundleError
from kneebundle.inference import quality
from kneebundle.inference.bundle_model import BundleModel
from kneebundle.inference.pipeline import KneePipeline
from kneebundle.inference.quality import border_flags, metal_flag
from kneebundle.inference.results import ModelInfo
from kneebundle.inference.views import find_view
from kneebundle.landmarks import Landmarks
from kneebundle.radiograph import Radiograph

OFFSETS = np.array([[4.0 * (i % 8) - 16.0, 5.0 * (i // 8)] for i in range(16)])


class FakeModel:
    """Answers the brightest pixel of the film in reach of the region (plus fixed offsets, for 16 landmarks)."""

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
        return [self._answer(item) for item in items]

    def _answer(self, item: dict[str, Any]) -> torch.Tensor:
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
    assert "--side" in knee.flags[0]


def test_a_missing_knee_is_named_and_not_invented() -> None:
    radiograph = film(400, 300, [(100, 140)])
    pipeline = KneePipeline(FakeModel(16), FakeModel(1, {"L": 0.01}))  # type: ignore[arg-type]
    right, left = pipeline.predict(radiograph).knees
    assert right.landmarks is not None
    assert left.landmarks is None
    assert "no knee joint was found on the left side" in left.flags[0]


class JointModel(FakeModel):
    """Sure only of a bright pixel that lies well inside what it is shown."""

    def _answer(self, item: dict[str, Any]) -> torch.Tensor:
        answer = super()._answer(item)
        affine = np.asarray(item["image"].affine)
        width = item["image"].shape[2] * affine[1, 1]
        inside = min(float(answer[0, 0]) - affine[1, 3], affine[1, 3] + width - float(answer[0, 0])) > 30
        bright = float(item["image"].max()) > 1.5
        answer[:, 2] = 0.8 if inside and bright else 0.05
        return answer


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


def test_one_film_that_cannot_be_answered_costs_only_itself() -> None:
    pipeline = KneePipeline(FakeModel(16))  # type: ignore[arg-type]
    good = film(100, 100, [(40, 60)], side="R")
    answers = pipeline.predict_batch([good, film(400, 300, []), replace(good, view="lateral"), good])
    assert [isinstance(a, KneeBundleError) for a in answers] == [False, True, True, False]
    assert "knee_roi_localization" in str(answers[1])
    assert "lateral" in str(answers[2])


@pytest.mark.parametrize(
    ("width", "height", "side", "view"),
    [
        (430, 350, None, "pa-bilateral"),
        (180, 240, None, "pa-single"),
        (240, 180, None, "pa-bilateral"),
        (240, 300, None, "pa-single"),
        (300, 300, "R", "pa-single"),
    ],
)
def test_the_view_follows_from_the_films_size(width: float, height: float, side: Any, view: str) -> None:
    assert find_view(film(width, height, [], side=side)) == view


def test_a_stated_view_wins() -> None:
    assert find_view(film(430, 350, [], view="pa-single")) == "pa-single"


def test_a_knee_cut_by_the_border_is_flagged() -> None:
    radiograph = film(100, 100, [])
    inside = Landmarks(np.full((16, 2), 50.0))
    assert border_flags(inside, radiograph) == []
    points = inside.points.copy()
    points[[0, 9], 0] = -3
    assert "2 landmarks" in border_flags(Landmarks(points), radiograph)[0]


def test_metal_in_the_joint_is_flagged_and_bright_bone_is_not() -> None:
    from kneebundle.datasets.phantoms.knee_pa import draw_knee

    for seed in range(4):
        radiograph, landmarks = draw_knee(np.random.default_rng(seed), side="R")
        assert metal_flag(landmarks, radiograph) is None
        points = landmarks.points.astype(int)
        pixels = radiograph.pixels.copy()
        pixels[points[12, 1] - 60 : points[9:, 1].max(), points[9, 0] : points[15, 0]] = pixels.max() * 1.4
        assert "arthroplasty" in str(metal_flag(landmarks, replace(radiograph, pixels=pixels)))


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


def test_several_folds_answer_their_mean_and_are_less_sure_where_they_disagree(tiny_bundle: Path) -> None:
    radiograph = film(100, 100, [(40, 60)], side="L")
    item = {"image": radiograph.to_metatensor(), "center_mm": np.array([50.0, 50.0]), "side": "L"}
    files = sorted((tiny_bundle / "models").glob("*.pt"))
    ensemble = BundleModel(tiny_bundle, torch.device("cpu")).locate([item])[0]
    each = [BundleModel(tiny_bundle, torch.device("cpu"), [file]).locate([item])[0] for file in files]
    torch.testing.assert_close(ensemble[:, :2], (each[0][:, :2] + each[1][:, :2]) / 2)
    assert bool((ensemble[:, 2] < (each[0][:, 2] + each[1][:, 2]) / 2).all())


def test_a_left_knee_and_its_mirror_image_get_mirrored_landmarks(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(quality.LOWEST_CONFIDENCE, "landmarks", 0.0)
    model = BundleModel(tiny_bundle, torch.device("cpu"))
    right = film(100, 90, [(40, 60)], side="R")
    left = replace(right, pixels=right.pixels[:, ::-1], side="L")
    pipeline = KneePipeline(model)
    first, second = (pipeline.predict(r).knees[0].landmarks for r in (right, left))
    assert first is not None and second is not None
    mirrored = second.points * [-1, 1] + [right.columns - 1, 0]
    np.testing.assert_allclose(first.points, mirrored, atol=0.02)


def test_looking_at_the_mirrored_region_too_makes_the_answer_mirror(tiny_bundle: Path) -> None:
    model = BundleModel(tiny_bundle, torch.device("cpu"))
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
        BundleModel(tiny_bundle, torch.device("cpu"))
    torch.save({"nothing": torch.zeros(1)}, tiny_bundle / "models" / "model.pt")
    with pytest.raises(KneeBundleError, match="do not fit") as refusal:
        BundleModel(tiny_bundle, torch.device("cpu"))
    assert len(refusal.value.reason) < 300, "torch's list of all keys is no line to read"
    with pytest.raises(KneeBundleError, match=r"inference\.json"):
        BundleModel(tiny_bundle.parent, torch.device("cpu"))
