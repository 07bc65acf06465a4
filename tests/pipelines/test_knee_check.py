"""The shipped knee check on drawn knees: what is native, of which side, what is replaced, what is no knee."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from kneebundle.bundles import find_installed_bundle
from kneebundle.phantoms.hand.hand import draw_hand
from kneebundle.phantoms.pa.knee import draw_knee
from kneebundle.phantoms.pa.replacements import add_replacement
from kneebundle.pipelines.knee_check import KneeCheck
from kneebundle.pipelines.quality import Thresholds, check_region
from kneebundle.radiograph import Radiograph, Side


@pytest.fixture(scope="module")
def check() -> KneeCheck:
    return KneeCheck(find_installed_bundle("knee_quality_check"), torch.device("cpu"))


def draw(seed: int, side: Side) -> tuple[Radiograph, np.ndarray]:
    """A drawn knee and its tibial centre in mm."""
    radiograph, landmarks = draw_knee(np.random.default_rng(seed), side=side)
    return radiograph, radiograph.px_to_mm(landmarks.points[4:5])[0]


@pytest.mark.parametrize("seed", range(4))
def test_metal_in_the_joint_is_flagged_and_bone_is_not(check: KneeCheck, seed: int) -> None:
    radiograph, landmarks = draw_knee(np.random.default_rng(seed), side="R")
    center = radiograph.px_to_mm(landmarks.points[4:5])[0]
    (native,) = check.classify(radiograph.to_metatensor(), [center])
    assert check_region(native, "R", Thresholds()) is None
    pixels = radiograph.pixels - radiograph.pixels.min()
    pixels /= np.percentile(pixels, 95)
    add_replacement(pixels, landmarks.points, radiograph.spacing_mm[0], "total", np.random.default_rng(seed))
    metal = Radiograph(pixels, radiograph.spacing_mm)
    flag = check_region(check.classify(metal.to_metatensor(), [center])[0], "R", Thresholds())
    assert flag is not None and flag.code == "implant" and "replacement" in flag.message


def test_a_mirrored_knee_is_one_of_the_other_side_at_the_mirrored_place(check: KneeCheck) -> None:
    radiograph, center = draw(1, "R")
    image = radiograph.to_metatensor()
    other = center + (6.0, -4.0)
    (seen,) = check.classify(image, [other])
    assert seen.joint_mm == pytest.approx(center, abs=6.0)
    width = (radiograph.columns - 1) * radiograph.spacing_mm[1]
    flipped = Radiograph(radiograph.pixels[:, ::-1], radiograph.spacing_mm).to_metatensor()
    (mirrored,) = check.classify(flipped, [np.array([width - other[0], other[1]])])
    assert mirrored.left == pytest.approx(seen.right, abs=1e-3)
    assert width - mirrored.joint_mm[0] == pytest.approx(seen.joint_mm[0], abs=0.1)


@pytest.mark.parametrize("side", ["R", "L"])
def test_the_side_is_seen(check: KneeCheck, side: Side) -> None:
    seen = []
    for seed in range(5):
        radiograph, center = draw(seed, side)
        seen.append(check.classify(radiograph.to_metatensor(), [center])[0].probability_of(side))
    assert np.median(seen) > 0.8


def test_a_hand_is_no_knee(check: KneeCheck) -> None:
    radiograph, landmarks = draw_hand(np.random.default_rng(0))
    center = radiograph.px_to_mm(landmarks.points).mean(0)
    (seen,) = check.classify(radiograph.to_metatensor(), [center])
    assert seen.none > 0.5


def test_of_no_places_nothing_is_said(check: KneeCheck) -> None:
    radiograph, _ = draw(0, "R")
    assert check.classify(radiograph.to_metatensor(), []) == []


def test_mirrored_and_not_mirrored_answers_are_about_the_same_regions(check: KneeCheck) -> None:
    radiograph, center = draw(0, "R")
    assert check.classify(radiograph.to_metatensor(), []) == []
    (both,) = check.classify(radiograph.to_metatensor(), [center])
    (own,) = check.classify(radiograph.to_metatensor(), [center], mirror=False)
    flipped = np.array([radiograph.columns - 1, 0.0]) * radiograph.spacing_mm[1]
    mirrored = Radiograph(np.ascontiguousarray(radiograph.pixels[:, ::-1]), radiograph.spacing_mm)
    (other,) = check.classify(mirrored.to_metatensor(), [np.array([flipped[0] - center[0], center[1]])], mirror=False)
    assert both.right == pytest.approx((own.right + other.left) / 2, abs=0.02)
    assert own.right > 0.5 > own.left
