"""Accuracy from arrays, by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from kneebundle.metrics import RADII_MM, align_predictions, cumulative_curve, outlier_rate, pck, radial_errors

NAN = math.nan
# three knees with two landmarks; distances 5, 1; no label, 2; no prediction, 0.5
TRUTH = np.array([[[0, 0], [10, 10]], [[NAN, NAN], [0, 0]], [[4, 4], [5, 5]]], dtype=float)
PRED = np.array([[[3, 4], [10, 11]], [[1, 1], [2, 0]], [[NAN, 4], [5.5, 5]]], dtype=float)
ERRORS = np.array([[5, 1], [NAN, 2], [math.inf, 0.5]])


def test_distances_by_hand_with_missing_labels_and_missing_predictions() -> None:
    np.testing.assert_array_equal(radial_errors(PRED, TRUTH), ERRORS)


def test_a_wrong_shape_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"\(K, N, 2\)"):
        radial_errors(PRED, TRUTH[:, :1])


@pytest.mark.parametrize(("radius", "expected"), [(0.4, 0), (0.5, 20), (1.0, 40), (4.9, 60), (5.0, 80), (1e9, 80)])
def test_pck_counts_labelled_points_and_a_missing_prediction_is_wrong(radius: float, expected: float) -> None:
    assert pck(ERRORS, radius) == pytest.approx(expected)


def test_pck_of_chosen_landmarks() -> None:
    assert pck(ERRORS, 1.0, landmarks=[1]) == pytest.approx(200 / 3)
    assert pck(ERRORS, 5.0, landmarks=(0,)) == pytest.approx(50)


def test_an_outlier_is_a_knee_with_any_landmark_beyond_the_limit() -> None:
    assert outlier_rate(ERRORS) == pytest.approx(100 / 3)
    assert outlier_rate(ERRORS, limit=4.9) == pytest.approx(200 / 3)
    assert outlier_rate(np.array([[10.0, 0.0], [NAN, NAN]])) == 0.0  # at the limit is no outlier; no label, no knee
    assert outlier_rate(np.array([[10.01, 9.0], [NAN, NAN]])) == 100.0


def test_nothing_labelled_gives_no_number() -> None:
    nothing = np.full((2, 2), NAN)
    assert math.isnan(pck(nothing, 1.0))
    assert math.isnan(outlier_rate(nothing))


def test_the_cumulative_curve_is_pck_over_the_radius() -> None:
    assert cumulative_curve(ERRORS, np.array([0.5, 1.0, 2.0, 5.0])).tolist() == pytest.approx([20, 40, 60, 80])


def test_the_fit_takes_away_scale_and_shift_of_each_knee_and_nothing_else() -> None:
    shape = np.array([[0.0, 0], [60, 5], [70, 40], [10, 50]])
    truth = np.stack([shape, shape, shape])
    pred = np.stack([1.05 * shape + 3, 0.9 * shape - [4, 1], shape + [[0, 0], [0, 0], [0, 0], [8, 0]]])
    fitted = align_predictions(pred, truth)
    assert radial_errors(fitted, truth)[:2].max() < 1e-9
    assert 1 < radial_errors(fitted, truth)[2].max() < 8


def test_the_fit_passes_over_missing_labels_and_predictions() -> None:
    truth = np.array([[[0.0, 0], [60, 5], [NAN, NAN], [10, 50]]])
    pred = 1.1 * np.nan_to_num(truth) + 2
    pred[0, 0] = NAN
    errors = radial_errors(align_predictions(pred, truth), truth)
    assert errors[0, [1, 3]].max() < 1e-9
    assert math.isinf(errors[0, 0])
    assert math.isnan(errors[0, 2])


def test_a_prediction_counts_as_missing_by_either_coordinate_and_alone() -> None:
    truth = np.zeros((2, 3, 2))
    pred = np.array([[[3, 4], [NAN, 1], [1, 0]], [[0, 2], [1, 0], [5, math.inf]]], dtype=float)
    np.testing.assert_array_equal(radial_errors(pred, truth), [[5, math.inf, 1], [2, 1, math.inf]])
    truth[0, 0, 1] = NAN
    np.testing.assert_array_equal(radial_errors(pred, truth), [[NAN, math.inf, 1], [2, 1, math.inf]])


@pytest.mark.filterwarnings("error")
def test_an_infinite_label_is_none_whatever_is_predicted() -> None:
    truth = np.array([[[math.inf, 1.0], [0.0, -math.inf]]])
    assert np.isnan(radial_errors(truth, truth)).all()
    assert np.isnan(radial_errors(np.zeros((1, 2, 2)), truth)).all()


@pytest.mark.parametrize("shape", [(4, 2), (2, 4, 3), (1, 2, 4, 2)])
def test_points_of_another_kind_are_an_error_even_if_both_have_it(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="got"):
        radial_errors(np.zeros(shape), np.zeros(shape))


def test_a_landmark_without_a_label_is_no_outlier_at_any_limit() -> None:
    assert outlier_rate(np.array([[0.1, NAN]]), limit=0.5) == 0.0


def test_the_radii_are_those_of_table_2() -> None:
    assert RADII_MM == (1.0, 1.5, 2.0, 2.5)
