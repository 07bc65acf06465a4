"""All three kinds of model find the landmarks of drawn knees that they were not trained on."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

from kneebundle.errors import KneeBundleError
from kneebundle.shape_models import (
    REGION_MM,
    SPACING_MM,
    Match,
    Pose,
    RegressionVoting,
    describe_pixels,
    make_frame,
    start_in_middle,
    train_active_appearance,
    train_constrained_local,
)
from tests.shape_models.conftest import Knees


def find(model: Any, regions: np.ndarray) -> np.ndarray:
    return np.stack([model.match(region, SPACING_MM).points for region in regions])


def test_forests_find_landmarks_from_a_start_beside_the_joint(voting: RegressionVoting, others: Knees) -> None:
    guessed = others.judge(np.stack([start_in_middle(voting.shape).points] * len(others.regions)))
    found = others.judge(find(voting, others.regions))
    assert found < 2.0 < 5.0 < guessed


@pytest.mark.parametrize(("degrees", "scale"), [(7.0, 1.1), (-7.0, 0.9)])
def test_turned_larger_and_smaller_knees_are_found_too(
    degrees: float, scale: float, voting: RegressionVoting, others: Knees
) -> None:
    angle = np.radians(degrees)
    pose = Pose(float(np.cos(angle) / scale), float(np.sin(angle) / scale), np.zeros(2))
    off = []
    for region, true in zip(others.regions, others.points, strict=True):
        seen = make_frame(region, SPACING_MM, pose, SPACING_MM, (REGION_MM, REGION_MM)).pixels
        off.append(np.linalg.norm(voting.match(seen, SPACING_MM).points - pose.undo(true), axis=1).mean())
    assert np.mean(off) < 2.5


@pytest.mark.parametrize(
    "train",
    [partial(train_constrained_local, features="lbp", far=8), partial(train_active_appearance, features="igo")],
    ids=["clm", "aam"],
)
def test_the_others_come_nearer_than_their_start(train: Any, training: Knees, others: Knees) -> None:
    model = train(training.regions[:14], training.points[:14], SPACING_MM)
    guessed = others.judge(np.stack([start_in_middle(model.shape).points] * len(others.regions)))
    assert others.judge(find(model, others.regions)) < 0.6 * guessed


def test_a_negative_is_found_as_well(voting: RegressionVoting, others: Knees) -> None:
    assert others.judge(find(voting, -others.regions)) < 2.5


def test_what_is_found_is_a_shape_of_the_model(voting: RegressionVoting, others: Knees) -> None:
    match: Match = voting.match(others.regions[0], SPACING_MM)
    np.testing.assert_allclose(match.points, voting.shape.points(match.scores, match.pose))
    assert np.abs(match.scores / np.sqrt(voting.shape.variances)).max() < 6
    assert match.spread_mm.shape == (16,) and (match.spread_mm > 0).all()


def test_votes_scatter_where_no_knee_is(voting: RegressionVoting, others: Knees) -> None:
    noise = np.random.default_rng(0).normal(size=others.regions[0].shape).clip(-3, 3)
    seen = voting.match(others.regions[0], SPACING_MM).spread_mm.mean()
    assert np.isfinite(voting.match(noise, SPACING_MM).points).all()
    assert voting.match(np.zeros_like(noise), SPACING_MM).points.shape == (16, 2)
    assert seen < voting.match(noise, SPACING_MM).spread_mm.mean()


def test_left_knees_are_regions_like_right_ones(others: Knees) -> None:
    sides = [record["side"] for record in others.records]
    assert {"L", "R"} == set(sides), "both sides are drawn"
    assert (others.points[:, 0, 0] < others.points[:, 8, 0]).all(), "lateral is on the left of every region"


def test_other_features_are_an_error_of_one_line() -> None:
    with pytest.raises(KneeBundleError, match="features are igo or lbp, got 'sift'"):
        describe_pixels(np.zeros((5, 5)), "sift")
