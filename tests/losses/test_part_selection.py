"""PartSelectionLoss: values by hand."""

import pytest
import torch

from kneebundle.losses.part_selection import PartSelectionLoss

HEATMAPS = torch.tensor([[[[0.5, 0.0], [0.25, 0.25]]], [[[1.0, 0.0], [0.0, 0.0]]]])  # two images, one part


def test_the_sum_over_cells_is_as_printed() -> None:
    assert float(PartSelectionLoss(0.1)(HEATMAPS)) == pytest.approx((1.0 + 0.1 * 0.5 + 1.0 + 0.1 * 0.0) / 2)


def test_the_mean_over_cells_puts_both_terms_on_one_scale() -> None:
    assert float(PartSelectionLoss(0.1, mean_cells=True)(HEATMAPS)) == pytest.approx((0.25 + 0.05 + 0.25) / 2)


def test_parts_add_up() -> None:
    twice = HEATMAPS.repeat(1, 2, 1, 1)
    assert float(PartSelectionLoss()(twice)) == pytest.approx(2 * float(PartSelectionLoss()(HEATMAPS)))
