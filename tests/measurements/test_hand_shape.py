"""The hand's shape model: poses are removed exactly, mistakes thrown out, drawn hands look like hands."""

import numpy as np
import pytest

from kneebundle.measurements.hand_shape import (
    fit_hand_shape,
    fit_rotation,
    is_plausible_hand,
    load_hand_shape,
    place_on,
)


def turned(points: np.ndarray, degrees: float) -> np.ndarray:
    angle = np.deg2rad(degrees)
    return points @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])


def test_a_rotation_is_found_exactly() -> None:
    mean = load_hand_shape().mean
    angle, matrix = fit_rotation(mean, turned(mean, 12.0) + 5.0)
    assert np.degrees(angle) == pytest.approx(12.0)
    assert mean @ matrix.T == pytest.approx(turned(mean, 12.0))


def test_a_hand_is_placed_on_its_moved_turned_and_scaled_copy() -> None:
    mean = load_hand_shape().mean
    copy = 2.5 * turned(mean, -20.0) + (100.0, 7.0)
    assert place_on(mean, copy) == pytest.approx(copy)


def test_one_mode_that_was_put_in_comes_out() -> None:
    rng = np.random.default_rng(0)
    mean = load_hand_shape().mean
    mode = np.zeros((37, 2))
    mode[28] = (0.0, 1.0)  # the middle finger's tip
    hands = [
        turned(mean + 6.0 * rng.standard_normal() * mode, rng.normal(0, 5)) + rng.normal(0, 50, 2) for _ in range(60)
    ]
    hands.append(mean + np.eye(37)[:, [3, 3]] * 60.0)  # set by mistake
    model = fit_hand_shape(np.stack(hands), modes=1)
    assert model.hands == 60
    assert model.deviations[0] == pytest.approx(6.0, abs=1.0)
    assert abs(model.modes[0].reshape(37, 2)[28, 1]) > 0.95


def test_the_shipped_model_is_that_of_910_hands_with_wrists_of_50_mm() -> None:
    model = load_hand_shape()
    assert model.hands == 910
    assert np.linalg.norm(model.mean[4] - model.mean[0]) == pytest.approx(50.0, abs=0.3)
    assert model.modes @ model.modes.T == pytest.approx(np.eye(len(model.modes)), abs=1e-3)
    rng = np.random.default_rng(1)
    for _ in range(20):
        assert is_plausible_hand(model.draw(rng))


def test_a_folded_finger_is_no_hand() -> None:
    points = load_hand_shape().mean.copy()
    points[28] = points[26]
    assert not is_plausible_hand(points)
