"""How unlike a knee landmarks are, whatever their size, turn and side."""

import numpy as np
import pytest

from kneebundle.measurements.knee_shape import load_shape_model
from kneebundle.measurements.plausibility import measure_plausibility

MEAN = load_shape_model().mean


def test_the_mean_knee_is_plausible() -> None:
    shape = measure_plausibility(MEAN + 100, "R")
    assert shape.distance < 0.5
    assert shape.scale == pytest.approx(1.0, abs=0.05)


def test_size_and_turn_are_told_and_do_not_change_the_shape() -> None:
    angle = np.deg2rad(12)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    plain, moved = measure_plausibility(MEAN, "R"), measure_plausibility(1.3 * MEAN @ turn.T + 50, "R")
    assert moved.distance == pytest.approx(plain.distance, abs=1e-6)
    assert moved.scale / plain.scale == pytest.approx(1.3)
    assert moved.turn_deg - plain.turn_deg == pytest.approx(12)


def test_left_knees_are_mirrored() -> None:
    left, right = measure_plausibility(MEAN * (-1, 1), "L"), measure_plausibility(MEAN, "R")
    assert left.distance == pytest.approx(right.distance)


def test_knees_of_every_grade_are_nearer_to_the_mean_than_scattered_points() -> None:
    model = load_shape_model()
    knees = [measure_plausibility(model.draw(np.random.default_rng(i), i % 5), "R").distance for i in range(50)]
    scattered = MEAN + np.random.default_rng(0).normal(0, 6, (16, 2))
    assert measure_plausibility(scattered, "R").distance > max(knees)
