"""The knee check's loss, by values worked out by hand."""

import math

import pytest
import torch

from kneebundle.losses.knee_check import KneeCheckLoss

NAN = math.nan


def test_of_four_equal_classes_the_loss_is_the_logarithm_of_four() -> None:
    loss = KneeCheckLoss(smoothing=0.0)(torch.zeros(3, 6), torch.tensor([[0, NAN, NAN], [2, NAN, NAN], [3, NAN, NAN]]))
    assert loss.item() == pytest.approx(math.log(4))


def test_a_knee_of_unknown_side_may_be_either() -> None:
    pred = torch.tensor([[9.0, 9.0, 0, 0, 0, 0]])
    loss = KneeCheckLoss(smoothing=0.0)(pred, torch.tensor([[-1.0, NAN, NAN]]))
    assert loss.item() == pytest.approx(-math.log(2 * math.exp(9) / (2 * math.exp(9) + 2)), rel=1e-3)


def test_the_joint_counts_where_it_is_known() -> None:
    pred = torch.tensor([[99.0, 0, 0, 0, 0.3, 0.0], [99.0, 0, 0, 0, 9.0, 9.0]])
    loss = KneeCheckLoss(smoothing=0.0, shift_weight=2.0, beta=0.1)(
        pred, torch.tensor([[0.0, 0.1, 0.0], [0.0, NAN, NAN]])
    )
    assert loss.item() == pytest.approx(2.0 * (0.2 - 0.05) / 2)


def test_it_can_be_propagated_back_where_no_joint_is_known() -> None:
    pred = torch.zeros(1, 6, requires_grad=True)
    KneeCheckLoss()(pred, torch.tensor([[3.0, NAN, NAN]])).backward()
    assert pred.grad is not None
    assert torch.isfinite(pred.grad).all()
