"""CalibratedLoss: values by hand, masking, no gradient from the error into the points."""

import math

import pytest
import torch

from kneebundle.losses import L1Loss
from kneebundle.losses.calibrated import CalibratedLoss

SPREAD = 0.02


def loss(weight: float = 3.0, aspect: float = 1.0) -> CalibratedLoss:
    return CalibratedLoss(L1Loss("normalized"), weight, SPREAD, aspect, smallest=0.001, largest=0.2)


def answer(x: float, y: float, spread: float) -> torch.Tensor:
    return torch.tensor([[[x, y, 1 / (1 + spread / SPREAD)]]], requires_grad=True)


def test_a_spread_as_large_as_the_error_costs_nothing() -> None:
    target = torch.tensor([[[0.5, 0.5]]])
    assert float(loss()(answer(0.53, 0.54, 0.05), target)) == pytest.approx((0.03 + 0.04) / 2, abs=1e-5)


def test_the_gap_is_that_of_the_logarithms() -> None:
    target = torch.tensor([[[0.5, 0.5]]])
    expected = 0.035 + 3 * math.log(2)
    for spread in (0.1, 0.025):
        assert float(loss()(answer(0.53, 0.54, spread), target)) == pytest.approx(expected, rel=1e-4)


def test_errors_are_bounded_and_count_along_both_axes_alike() -> None:
    target = torch.tensor([[[0.5, 0.5]]])
    exact = float(loss()(answer(0.5, 0.5, 0.001), target))
    assert exact == pytest.approx(0.0, abs=1e-4)
    tall = float(loss(aspect=1.5)(answer(0.5, 0.54, 0.06), target))
    assert tall == pytest.approx(0.02, abs=1e-4)


def test_unlabelled_points_are_not_learnt() -> None:
    pred = torch.rand(2, 3, 3, requires_grad=True)
    value = loss()(pred, torch.full((2, 3, 2), float("nan")))
    value.backward()
    assert float(value) == 0
    assert pred.grad is not None and float(pred.grad.abs().max()) == 0


def test_confidence_does_not_move_the_points() -> None:
    pred = answer(0.53, 0.54, 0.2)
    loss(weight=100.0)(pred, torch.tensor([[[0.5, 0.5]]])).backward()
    assert pred.grad is not None
    torch.testing.assert_close(pred.grad[0, 0, :2], torch.tensor([0.5, 0.5]))
    assert float(pred.grad[0, 0, 2]) < 0, "less spread, that is more confidence, would cost less"
