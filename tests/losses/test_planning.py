"""The losses of the planning network, with values worked out by hand."""

import math

import pytest
import torch

from kneebundle.losses.planning import PlanningLoss, heatmap_loss, overlap_weighted_bce

TASKS = {"segmentation": 2, "landmarks": 1}


def test_overlap_counts_more_and_the_sum_over_bones_is_not_divided() -> None:
    """Logits 0: every term is log 2. Of 4 pixels one is in both bones: 2 bones x (3 + 1.6) / 4 log 2."""
    target = torch.tensor([[[[1.0, 1.0], [0.0, 0.0]], [[1.0, 0.0], [1.0, 0.0]]]])
    loss = overlap_weighted_bce(torch.zeros(1, 2, 2, 2), target, beta=0.6)
    assert loss.item() == pytest.approx(2 * (3 + 1.6) / 4 * math.log(2), rel=1e-6)
    assert overlap_weighted_bce(torch.zeros(1, 2, 2, 2), target, 0.0).item() == pytest.approx(2 * math.log(2), rel=1e-6)


def test_each_bone_is_a_question_of_its_own() -> None:
    """-log sigmoid(2) where a bone is, -log(1 - sigmoid(-1)) where none is."""
    logits = torch.tensor([[[[2.0]], [[-1.0]]]])
    loss = overlap_weighted_bce(logits, torch.tensor([[[[1.0]], [[0.0]]]]))
    assert loss.item() == pytest.approx(math.log1p(math.exp(-2)) + math.log1p(math.exp(-1)), rel=1e-6)


def test_half_covered_pixels_of_two_neighbours_are_no_overlap() -> None:
    target = torch.full((1, 2, 1, 1), 0.5)
    assert overlap_weighted_bce(torch.zeros(1, 2, 1, 1), target).item() == pytest.approx(2 * math.log(2), rel=1e-6)


def test_heatmaps_are_compared_by_the_mean_square_and_unlabelled_ones_not_at_all() -> None:
    maps = torch.tensor([[[[0.0, 2.0]], [[5.0, 5.0]]]], requires_grad=True)
    target = torch.tensor([[[[1.0, 0.0]], [[math.nan, math.nan]]]])
    loss = heatmap_loss(maps, target)
    assert loss.item() == pytest.approx((1 + 4) / 4)
    loss.backward()
    assert maps.grad is not None
    torch.testing.assert_close(maps.grad, torch.tensor([[[[-0.5, 1.0]], [[0.0, 0.0]]]]))


def test_every_stage_and_task_has_a_loss_and_maps_are_enlarged_to_the_targets() -> None:
    target = torch.zeros(1, 3, 8, 8)
    target[:, 2] = 1.0
    pred = [torch.zeros(1, 3, 2, 2), torch.cat([torch.full((1, 2, 2, 2), -50.0), torch.ones(1, 1, 2, 2)], dim=1)]
    losses = PlanningLoss(TASKS)(pred, target)
    assert [[loss.item() for loss in stage] for stage in losses] == [
        pytest.approx([2 * math.log(2), 1.0], rel=1e-6),
        pytest.approx([0.0, 0.0], abs=1e-6),
    ]


def test_a_loss_depends_on_its_own_stage_and_task_alone() -> None:
    pred = [torch.randn(1, 3, 2, 2, requires_grad=True) for _ in range(2)]
    losses = PlanningLoss(TASKS)(pred, torch.rand(1, 3, 4, 4))
    gradients = torch.autograd.grad(losses[0][1], pred, allow_unused=True)
    assert gradients[1] is None
    assert not gradients[0][:, :2].any() and gradients[0][:, 2].any()


def test_other_numbers_of_channels_raise_an_error() -> None:
    with pytest.raises(ValueError, match="3 channels"):
        PlanningLoss(TASKS)([torch.zeros(1, 4, 2, 2)], torch.zeros(1, 3, 4, 4))
