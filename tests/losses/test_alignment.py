"""The best scale and shift, and the loss for labels whose scale and position are noisy."""

from __future__ import annotations

import math

import pytest
import torch

from kneebundle.losses import AlignedLandmarkLoss, L1Loss, L2Loss
from kneebundle.losses.alignment import fit_scale_shift

SHAPE = torch.tensor([[[0.3, 0.4], [0.5, 0.3], [0.7, 0.6], [0.4, 0.7]]], dtype=torch.float64)


def test_a_scaled_and_shifted_copy_is_brought_back() -> None:
    moved = 1.3 * SHAPE + torch.tensor([0.2, -0.1])
    assert torch.allclose(fit_scale_shift(moved, SHAPE), SHAPE)


def test_a_rotation_is_left_alone() -> None:
    turned = torch.stack([-SHAPE[..., 1], SHAPE[..., 0]], dim=-1)  # by 90 degrees
    fitted = fit_scale_shift(turned, SHAPE)
    assert torch.allclose(fitted.mean(1), SHAPE.mean(1))
    assert (fitted - SHAPE).norm(dim=-1).max() > 0.05


def test_no_other_scale_and_shift_is_nearer() -> None:
    points = SHAPE + 0.05 * torch.randn(1, 4, 2, generator=torch.Generator().manual_seed(1))
    best = (fit_scale_shift(points, SHAPE) - SHAPE).square().sum()
    fitted = fit_scale_shift(points, SHAPE)
    for scale, dx, dy in [(1.01, 0, 0), (0.99, 0, 0), (1, 0.01, 0), (1, 0, -0.01)]:
        other = (fitted - fitted.mean(1)) * scale + fitted.mean(1) + torch.tensor([dx, dy])
        assert (other - SHAPE).square().sum() > best


def test_landmarks_without_a_reference_have_no_part_but_move_along() -> None:
    reference = SHAPE.clone()
    reference[0, 3] = math.nan
    moved = 2 * SHAPE + 1
    assert torch.allclose(fit_scale_shift(moved, reference), SHAPE)


def test_one_landmark_is_only_shifted_and_none_stays() -> None:
    reference = torch.full_like(SHAPE, math.nan)
    assert torch.equal(fit_scale_shift(SHAPE, reference), SHAPE)
    reference[0, 0] = torch.tensor([0.8, 0.8])
    assert torch.allclose(fit_scale_shift(SHAPE, reference), SHAPE + torch.tensor([0.5, 0.4]))


def test_the_scale_does_not_turn_points_over() -> None:
    assert torch.allclose(fit_scale_shift(-SHAPE, SHAPE), SHAPE.mean(1, keepdim=True).expand_as(SHAPE))


def test_noise_in_scale_and_position_of_the_label_costs_only_the_plain_part() -> None:
    target = 1.05 * SHAPE + 0.01
    plain = L1Loss("px", 100)(SHAPE, target)
    loss = AlignedLandmarkLoss(L1Loss("px", 100), weight=0.75)(SHAPE, target)
    assert plain.item() > 1
    assert loss.item() == pytest.approx(0.25 * plain.item())


def test_noise_in_shape_is_still_learnt() -> None:
    target = SHAPE.clone()
    target[0, 0, 0] += 0.1
    assert AlignedLandmarkLoss(L1Loss("px", 100), weight=0.99)(SHAPE, target).item() > 1


@pytest.mark.parametrize("shrinkage", [0.0, 0.25, 1.0])
def test_shrinkage_takes_part_of_the_step(shrinkage: float) -> None:
    target = SHAPE + 0.02  # the whole step would close 2 px on each axis
    loss = AlignedLandmarkLoss(L1Loss("px", 100), weight=0.5, shrinkage=shrinkage)(SHAPE, target)
    assert loss.item() == pytest.approx(0.5 * 2 + 0.5 * 2 * shrinkage)


def test_the_fit_is_isotropic_in_the_unit_of_an_image_that_is_not_square() -> None:
    size = torch.tensor([200.0, 100.0])
    in_px = SHAPE * 100
    scaled = 1.1 * in_px
    loss = AlignedLandmarkLoss(L2Loss("px", size.tolist()), weight=0.5)
    plain = L2Loss("px", size.tolist())(in_px / size, scaled / size)
    assert loss(in_px / size, scaled / size).item() == pytest.approx(0.5 * plain.item(), rel=1e-5)


def test_masked_landmarks_take_no_part_before_or_after_the_fit() -> None:
    target = SHAPE + 0.02
    target[0, 3] = torch.tensor([1.2, 0.5])  # outside the image
    pred = SHAPE.clone().requires_grad_()
    value = AlignedLandmarkLoss(L1Loss("px", 100), weight=0.5)(pred, target)
    value.backward()
    assert value.item() == pytest.approx(0.5 * 2)
    assert pred.grad is not None
    assert pred.grad[0, 3].tolist() == [0.0, 0.0]


def test_no_gradient_passes_through_the_fit() -> None:
    target = SHAPE + torch.tensor([[0.03, 0.01], [0.0, -0.02], [0.02, 0.0], [-0.01, 0.04]])
    pred = SHAPE.clone().requires_grad_()
    AlignedLandmarkLoss(L1Loss("px", 100), weight=0.5)(pred, target).backward()
    aligned = fit_scale_shift(target, SHAPE)
    expected = 100 / 8 * (0.5 * (SHAPE - target).sign() + 0.5 * (SHAPE - aligned).sign())
    assert pred.grad is not None
    assert torch.allclose(pred.grad, expected)


def test_weight_and_shrinkage_out_of_range_raise_an_error() -> None:
    with pytest.raises(ValueError, match="weight"):
        AlignedLandmarkLoss(L1Loss("normalized"), weight=1.0)
    with pytest.raises(ValueError, match="shrinkage"):
        AlignedLandmarkLoss(L1Loss("normalized"), shrinkage=1.1)
