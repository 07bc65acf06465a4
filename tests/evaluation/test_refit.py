"""Labels moved onto predictions: scale and place change, the shape stays."""

import numpy as np

from kneebundle.evaluation.refit import fit_scale_shift, refit_labels


def _shape() -> np.ndarray:
    return np.random.default_rng(0).uniform(-40, 40, (16, 2))


def test_scale_and_shift_are_found_in_spite_of_a_stray() -> None:
    points = _shape()
    goal = points * 1.3 + [5.0, -2.0]
    goal[3] += 30.0
    scale, x, y = fit_scale_shift(points, goal)
    np.testing.assert_allclose(scale, 1.3, atol=0.01)
    np.testing.assert_allclose([x, y], points.mean(0) * 1.3 + [5.0, -2.0], atol=0.3)


def test_labels_take_the_networks_relative_scale_and_the_common_one() -> None:
    labels = np.stack([_shape()] * 5)
    scales = np.array([1.0, 1.0, 1.0, 1.3, 1.0])
    predictions = labels * scales[:, None, None] + 1.0
    predictions[4] = np.nan
    new, moved = refit_labels(labels, predictions, common_scale=1.02)
    assert moved.tolist() == [True, True, True, True, False]
    widths = np.linalg.norm(new[:, 8] - new[:, 0], axis=1) / np.linalg.norm(labels[:, 8] - labels[:, 0], axis=1)
    np.testing.assert_allclose(widths, [1.02, 1.02, 1.02, 1.326, 1.02], rtol=1e-6)
    np.testing.assert_allclose(new[0].mean(0), labels[0].mean(0) + 1.0, atol=1e-6)


def test_a_prediction_of_another_shape_moves_nothing() -> None:
    labels = _shape()[None]
    new, moved = refit_labels(labels, labels[:, ::-1] * [1.0, 3.0], common_scale=1.0)
    assert not moved.any()
    np.testing.assert_allclose(new, labels)
