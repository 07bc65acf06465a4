"""The point distribution model, and how it fits."""

import numpy as np
import pytest

from kneebundle.errors import KneeBundleError
from kneebundle.measurements import load_shape_model
from kneebundle.shape_models import Pose, fit_point_distribution, fit_pose

KNEES = np.stack([load_shape_model().draw(np.random.default_rng(number), number % 5) for number in range(120)])


def turned(degrees: float, scale: float, shift: tuple[float, float]) -> Pose:
    angle = np.radians(degrees)
    return Pose(float(scale * np.cos(angle)), float(scale * np.sin(angle)), np.array(shift))


def test_a_pose_is_found_again_and_undone() -> None:
    true = turned(20.0, 1.2, (3.0, -7.0))
    found = fit_pose(KNEES[0], true.apply(KNEES[0]))
    assert (found.a, found.b) == pytest.approx((true.a, true.b))
    np.testing.assert_allclose(found.undo(true.apply(KNEES[0])), KNEES[0], atol=1e-9)
    assert found.scale == pytest.approx(1.2)


def test_size_turn_and_place_are_no_part_of_the_shape() -> None:
    rng = np.random.default_rng(0)
    moved = [
        turned(rng.uniform(-30, 30), rng.uniform(0.8, 1.2), (number, -3.0)).apply(k) for number, k in enumerate(KNEES)
    ]
    model, other = fit_point_distribution(KNEES), fit_point_distribution(np.stack(moved))
    assert other.variances.sum() == pytest.approx(model.variances.sum(), rel=0.05)
    spread = np.linalg.norm(model.mean - model.mean.mean(0))
    assert np.linalg.norm(fit_pose(other.mean, model.mean).apply(other.mean) - model.mean) < 0.02 * spread


def test_a_knee_that_was_not_trained_on_is_fitted_wherever_it_lies() -> None:
    model = fit_point_distribution(KNEES[1:])
    seen = turned(8.0, 1.1, (10.0, -6.0)).apply(KNEES[0])
    points, pose, _ = model.fit(seen, np.full(16, 16.0), prior=0.15)
    assert np.linalg.norm(points - seen, axis=1).mean() < 0.5
    assert pose.scale == pytest.approx(1.1, rel=0.05)


def test_one_landmark_gone_astray_is_pulled_back_to_the_shape() -> None:
    """The more so, the less it is believed."""
    model = fit_point_distribution(KNEES)
    seen = KNEES[0].copy()
    seen[8] += (0.0, 15.0)
    weights = np.full(16, 4.0)
    strayed = np.linalg.norm(model.fit(seen, weights)[0][8] - KNEES[0][8])
    weights[8] = 0.01
    doubted = np.linalg.norm(model.fit(seen, weights)[0][8] - KNEES[0][8])
    assert doubted < 2.0 < strayed < 15.0


def test_two_knees_are_too_few() -> None:
    with pytest.raises(KneeBundleError, match="at least 3 knees, got 2"):
        fit_point_distribution(KNEES[:2])
