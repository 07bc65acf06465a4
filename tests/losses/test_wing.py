"""Wing loss: values by hand, continuity, and what the paper's "w = 15 and C = 3" means."""

from __future__ import annotations

import math

import pytest
import torch

from kneebundle.losses import WingLoss


def wing(error: float, w: float = 15.0, epsilon: float = 3.0) -> float:
    return WingLoss("normalized", w=w, epsilon=epsilon).penalty(torch.tensor([error], dtype=torch.float64)).item()


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (0.0, 0.0),
        (3.0, 15 * math.log(2)),
        (-3.0, 15 * math.log(2)),
        (12.0, 15 * math.log(5)),
        (20.0, 20 - 15 + 15 * math.log(6)),
        (-100.0, 100 - 15 + 15 * math.log(6)),
    ],
)
def test_values_by_hand(error: float, expected: float) -> None:
    assert wing(error) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("w", "epsilon"), [(15.0, 3.0), (10.0, 2.0), (5.0, 0.5)])
def test_the_two_parts_meet_at_w(w: float, epsilon: float) -> None:
    below, above = wing(w - 1e-9, w, epsilon), wing(w, w, epsilon)
    assert above == pytest.approx(below, abs=1e-8)
    assert above == pytest.approx(w * math.log(1 + w / epsilon), rel=1e-12)


def test_the_constant_follows_from_width_and_curvature() -> None:
    assert WingLoss("px", 466.0).c == pytest.approx(-11.876, abs=1e-3)


def test_x_and_y_are_penalised_separately() -> None:
    pred, target = torch.tensor([[[0.53, 0.54]]]), torch.tensor([[[0.50, 0.50]]])
    expected = (15 * math.log(2) + 15 * math.log(1 + 4 / 3)) / 2
    assert WingLoss("px", 100)(pred, target).item() == pytest.approx(expected, rel=1e-4)


def test_the_gradient_at_the_target_is_finite_and_small_errors_pull_harder_than_large_ones() -> None:
    errors = torch.tensor([0.0, 0.1, 14.0, 30.0], requires_grad=True)
    WingLoss("normalized").penalty(errors).sum().backward()
    assert errors.grad is not None
    assert errors.grad.tolist() == pytest.approx([0.0, 15 / 3.1, 15 / 17, 1.0])


def test_parameters_that_are_not_positive_raise_an_error() -> None:
    with pytest.raises(ValueError, match="positive"):
        WingLoss("normalized", epsilon=0)
