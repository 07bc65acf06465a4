"""The objective that selects the parts of a registration on the reference (Tiirola 2023, section 2)."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

__all__ = ["PartSelectionLoss"]


class PartSelectionLoss(nn.Module):
    """``sum_i |h^i|_1 + weight (1 - max h^i)``, averaged over the images.

    A part should be seen in few cells, and in one of them for certain. As printed, |h|_1 is a sum over 28 x 28 cells,
    some hundreds, so that with lambda = 0.1 the second term has no say and parts go to where nothing else looks like
    them, seen or not. ``mean_cells=True`` takes the mean over the cells instead, by which both terms lie between 0 and
    1.

    Args:
        weight: lambda.
        mean_cells: |h|_1 as a mean, not as a sum.

    Example:
        >>> import torch
        >>> heatmaps = torch.tensor([[[[0.5, 0.0], [0.0, 0.0]]]])
        >>> round(float(PartSelectionLoss(weight=0.1)(heatmaps)), 4)  # 0.5 + 0.1 (1 - 0.5)
        0.55
    """

    def __init__(self, weight: float = 0.1, mean_cells: bool = False) -> None:
        super().__init__()
        self.weight = float(weight)
        self.mean_cells = bool(mean_cells)

    def forward(self, heatmaps: torch.Tensor, target: Any = None) -> torch.Tensor:
        """The objective, a scalar.

        Args:
            heatmaps: (B, N, H, W) in [0, 1].
            target: not looked at; trainers pass one.
        """
        cells = heatmaps.abs().flatten(2)
        size = cells.mean(2) if self.mean_cells else cells.sum(2)
        return (size + self.weight * (1 - cells.amax(2))).sum(1).mean()
