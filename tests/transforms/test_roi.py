"""Region of interest: sub-pixel centring, what lies outside, mirroring, the way back."""

from typing import Any

import numpy as np
import pytest
import torch

from kneebundle.radiograph import Radiograph
from kneebundle.transforms.fill import RandFillOutsided, fill_outside
from kneebundle.transforms.mirror import MirrorLeftd
from kneebundle.transforms.normalize import normalize_percentiles
from kneebundle.transforms.points import NormalizedToWorldd, WorldToNormalizedd, world_to_normalized
from kneebundle.transforms.roi import CropROId, crop_roi, image_center_mm
from tests.transforms.test_resample import blobs, centroid_mm


@pytest.mark.parametrize("center", [(30.0, 25.0), (30.37, 24.81)])
@pytest.mark.parametrize("spacing", [0.3, 0.54, 1.0])
def test_the_centre_comes_to_lie_in_the_middle(center: tuple[float, float], spacing: float) -> None:
    image = blobs(np.array([center]), (200, 240), (0.25, 0.25))
    region = crop_roi(image, center, 30.0, spacing)
    assert region.shape == (1, round(30 / spacing), round(30 / spacing))
    assert world_to_normalized(np.array([center]), region)[0].tolist() == pytest.approx([0.5, 0.5], abs=1e-5)
    assert centroid_mm(region, np.array(center)) == pytest.approx(center, abs=0.02)


def test_a_region_may_be_a_rectangle() -> None:
    image = blobs(np.array([[30.0, 25.0]]), (200, 240), (0.25, 0.25))
    region = crop_roi(image, (30.0, 25.0), (20.0, 40.0), 0.5)
    assert region.shape == (1, 40, 80)  # 20 mm high, 40 mm wide
    np.testing.assert_allclose(region.affine[:2, 3], [15.25, 10.25])  # y and x of the first pixel's centre
    assert centroid_mm(region, np.array([30.0, 25.0])) == pytest.approx((30.0, 25.0), abs=0.02)


def test_beyond_the_radiograph_is_nan_and_is_filled_as_asked() -> None:
    ramp = np.tile(np.arange(60, dtype=np.float32), (60, 1)) + 100
    image = Radiograph(ramp, (1.0, 1.0)).to_metatensor()
    region = crop_roi(image, (0.0, 30.0), 21.0, 1.0)
    finite = torch.isfinite(region[0, 10])
    assert finite.tolist() == [False] * 10 + [True] * 11
    assert crop_roi(image, (0.0, 30.0), 21.0, 1.0, "zeros")[0, 10, :10].tolist() == [0.0] * 10
    assert crop_roi(image, (0.0, 30.0), 21.0, 1.0, "reflect")[0, 10, :10].tolist() == list(range(110, 100, -1))
    assert fill_outside(region, "edge")[0, 10, :10].tolist() == [100.0] * 10
    with pytest.raises(ValueError, match="reflect"):
        fill_outside(region, "wrap")


def test_a_region_wholly_beyond_the_radiograph_is_empty() -> None:
    image = blobs(np.array([[5.0, 5.0]]), (40, 40), (1.0, 1.0))
    region = crop_roi(image, (500.0, 500.0), 20.0, 1.0)
    assert not torch.isfinite(region).any()
    assert bool((fill_outside(region, "reflect") == 0).all())


@pytest.mark.parametrize("side", ["R", "L"])
def test_points_find_their_way_there_and_back(side: str) -> None:
    point = np.array([[33.3, 21.7]])
    data: dict[str, Any] = {
        "image": blobs(point, (160, 240), (0.3, 0.25)),
        "side": side,
        "points": point,
        "center_mm": (28.0, 22.0),
    }
    for step in (CropROId("image", size_mm=30.0, spacing_mm=0.4), MirrorLeftd("image"), WorldToNormalizedd("points")):
        data = step(data)
    x = float(data["points"][0, 0])
    assert (x > 0.5) == (side == "R")
    column = int(torch.nan_to_num(data["image"])[0].max(0).values.argmax())
    assert column == pytest.approx(x * data["image"].shape[2] - 0.5, abs=0.6)
    with_confidence = {**data, "points": torch.tensor([[*data["points"][0].tolist(), 0.7]])}
    back = NormalizedToWorldd("points")(with_confidence)["points"]
    np.testing.assert_allclose(back, [[*point[0], 0.7]], atol=1e-4)


def test_without_a_centre_the_middle_of_the_image_is_taken() -> None:
    image = blobs(np.array([[10.0, 10.0]]), (40, 60), (0.5, 0.5))
    np.testing.assert_allclose(image_center_mm(image), [14.75, 9.75])
    region = CropROId("image", size_mm=10.0, spacing_mm=0.5)({"image": image})["image"]
    assert world_to_normalized([[14.75, 9.75]], region)[0].tolist() == pytest.approx([0.5, 0.5])


def test_normalisation_looks_at_the_radiograph_alone() -> None:
    radiograph = np.linspace(0, 100, 400, dtype=np.float32).reshape(20, 20)
    alone = normalize_percentiles(torch.from_numpy(radiograph)[None])
    framed = torch.full((1, 40, 40), float("nan"))
    framed[0, 10:30, 10:30] = torch.from_numpy(radiograph)
    scaled = normalize_percentiles(framed)
    torch.testing.assert_close(scaled[:, 10:30, 10:30], alone)
    assert not torch.isfinite(scaled[0, 0, 0])
    assert (float(alone.min()), float(alone.max())) == (-1.0, 1.0)
    assert bool((normalize_percentiles(torch.full((1, 4, 4), 3.0)) == 0).all())


def test_surroundings_take_the_place_of_the_image_as_often_as_asked() -> None:
    step: Any = RandFillOutsided("image", prob=0.5).set_random_state(0)
    frame = torch.full((1, 6, 6), float("nan"))
    frame[0, 2:4, 2:4] = 1.0
    drawn = [step({"image": frame, "surroundings": torch.full((1, 6, 6), 7.0)})["image"] for _ in range(200)]
    assert 70 < sum(bool((d == 7).all()) for d in drawn) < 130
    assert all(bool(torch.isfinite(d).all()) for d in drawn)
    assert not torch.isfinite(frame).all(), "the cached image must stay as it was"


def test_a_region_is_that_of_kneel_unless_asked_otherwise() -> None:
    image = blobs(np.array([[30.0, 25.0]]), (200, 240), (0.25, 0.25))
    for region in (crop_roi(image, (30.0, 25.0)), CropROId("image")({"image": image, "center_mm": (30, 25)})["image"]):
        assert region.shape == (1, 467, 467)
        np.testing.assert_allclose(np.diag(region.affine)[:2], 0.3)
        assert not torch.isfinite(region[0, 0, 0]), "nothing is filled in"


def test_a_region_of_a_region_lies_where_it_should() -> None:
    point = np.array([[30.0, 25.0]])
    image = blobs(point, (200, 240), (0.25, 0.25))
    region = crop_roi(image, (32.0, 24.0), (24.0, 30.0), 0.4)
    again = crop_roi(region, (30.5, 25.5), 12.0, 0.5)
    assert centroid_mm(again, point[0]) == pytest.approx(point[0], abs=0.02)
    np.testing.assert_allclose(image_center_mm(region), [32.0, 24.0])
    np.testing.assert_allclose(image_center_mm(again), [30.5, 25.5])


def test_the_centre_may_stand_elsewhere_and_a_missing_image_is_an_error_or_not() -> None:
    data = {"image": blobs(np.array([[10.0, 10.0]]), (40, 60), (0.5, 0.5)), "joint": (8.0, 9.0)}
    step = CropROId(["image", "mask"], "joint", 10.0, 0.5, "zeros", allow_missing_keys=True)
    np.testing.assert_allclose(image_center_mm(step(data)["image"]), [8.0, 9.0])
    with pytest.raises(KeyError):
        CropROId(["image", "mask"], "joint", 10.0, 0.5)(data)
