"""What all landmark losses promise: the unit is explicit, and landmarks without a target are not learnt."""

from __future__ import annotations

import math

import pytest
import torch

from kneebundle.losses import AdaptiveRobustLoss, ElasticLoss, L1Loss, L2Loss, LandmarkLoss, WingLoss

PRED = [[[0.50, 0.50], [0.20, 0.80]]]
TARGET = [[[0.40, 0.75], [0.20, 0.80]]]


def all_losses(unit: str = "px", scale: float | None = 100.0) -> list[LandmarkLoss]:
    simple = [kind(unit, scale) for kind in (L1Loss, L2Loss, ElasticLoss, WingLoss)]
    return [*simple, AdaptiveRobustLoss(2, unit, scale)]


@pytest.mark.parametrize("loss", all_losses(), ids=lambda loss: type(loss).__name__)
def test_landmarks_without_a_target_inside_the_image_have_no_part(loss: LandmarkLoss) -> None:
    target = torch.tensor([[[0.40, 0.75], [math.nan, 0.1]], [[1.0, 0.5], [0.3, -0.01]]])
    pred = torch.tensor([[[0.50, 0.50], [0.9, 0.9]], [[0.1, 0.1], [0.2, 0.2]]], requires_grad=True)
    alone = loss(pred[:1, :1].expand(1, 2, 2), target[:1, :1].expand(1, 2, 2))
    value = loss(pred, target)
    value.backward()
    assert torch.isclose(value, alone)
    assert pred.grad is not None
    assert (pred.grad.abs().sum(-1) > 0).tolist() == [[True, False], [False, False]]


@pytest.mark.parametrize("loss", all_losses(), ids=lambda loss: type(loss).__name__)
@pytest.mark.parametrize("empty", [math.nan, math.inf, 1.0, -0.5])
def test_a_batch_without_any_target_costs_nothing_and_can_be_propagated(loss: LandmarkLoss, empty: float) -> None:
    pred = torch.rand(2, 2, 2, requires_grad=True)
    value = loss(pred, torch.full((2, 2, 2), empty))
    value.backward()
    assert value.item() == 0.0
    assert pred.grad is not None
    assert pred.grad.abs().max().item() == 0.0


def test_the_scale_takes_normalised_errors_to_the_unit() -> None:
    pred, target = torch.tensor(PRED), torch.tensor(TARGET)
    # errors of the first point: 0.10 and 0.25; of the second: none
    assert L1Loss("normalized")(pred, target).item() == pytest.approx((0.10 + 0.25) / 4)
    assert L1Loss("px", 200)(pred, target).item() == pytest.approx((20 + 50) / 4)
    assert L1Loss("mm", [100, 40])(pred, target).item() == pytest.approx((10 + 10) / 4)


def test_the_unit_changes_what_a_threshold_means() -> None:
    pred, target = torch.tensor([[[0.5, 0.5]]]), torch.tensor([[[0.4, 0.5]]])
    near = WingLoss("mm", 140, w=15, epsilon=3)(pred, target).item()
    far = WingLoss("px", 466, w=15, epsilon=3)(pred, target).item()
    assert near == pytest.approx(15 * math.log(1 + 14 / 3) / 2, rel=1e-4)
    assert far == pytest.approx((46.6 - 15 + 15 * math.log(6)) / 2, rel=1e-4)


def test_a_unit_without_its_scale_raises_an_error() -> None:
    with pytest.raises(ValueError, match="needs scale"):
        L1Loss("px")
    with pytest.raises(ValueError, match="has no scale"):
        L1Loss("normalized", 100)
    with pytest.raises(ValueError, match="unit is one of"):
        L1Loss("cm", 14)
    with pytest.raises(ValueError, match="positive"):
        L1Loss("px", [100, 0])


def test_shapes_that_differ_raise_an_error() -> None:
    with pytest.raises(ValueError, match=r"\(B, N, 2\)"):
        L1Loss("normalized")(torch.zeros(2, 3, 2), torch.zeros(2, 1, 2))


@pytest.mark.parametrize("loss", all_losses(), ids=lambda loss: type(loss).__name__)
def test_half_precision_predictions_are_compared_in_float32(loss: LandmarkLoss) -> None:
    pred = torch.tensor(PRED, dtype=torch.bfloat16)
    value = loss(pred, torch.tensor(TARGET))
    assert value.dtype == torch.float32
    assert torch.isclose(value, loss(pred.float(), torch.tensor(TARGET)))
