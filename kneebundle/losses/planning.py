"""Losses of the multi-task planning network: overlapping bones and heat-maps (Kordon 2019, equations 1 and 2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import nn
from torch.nn import functional

__all__ = ["PlanningLoss", "heatmap_loss", "overlap_weighted_bce"]


def overlap_weighted_bce(logits: torch.Tensor, target: torch.Tensor, beta: float = 0.6) -> torch.Tensor:
    """Compute the binary cross entropy of each bone on its own, with more weight where bones overlap (equation 1).

    The sum over all bones and pixels of (1 + beta g) BCE, divided by B H W and not by the number of bones; g is 1 where
    the targets of a pixel sum up to more than 1, else 0.

    Args:
        logits: (B, C, H, W).
        target: (B, C, H, W) in [0, 1]; on an edge, how much of the pixel is bone.
        beta: additional weight of an overlap.

    Returns:
        A scalar.

    Example:
        Two bones that overlap in the only pixel, of which the network knows nothing: 2 (1 + 0.6) log 2.

        >>> import torch
        >>> round(float(overlap_weighted_bce(torch.zeros(1, 2, 1, 1), torch.ones(1, 2, 1, 1))), 4)
        2.2181
    """
    weight = 1.0 + beta * (target.sum(dim=1, keepdim=True) > 1.0).to(target.dtype)
    total = functional.binary_cross_entropy_with_logits(logits, target, weight=weight, reduction="sum")
    return total / (logits.shape[0] * logits.shape[2] * logits.shape[3])


def heatmap_loss(maps: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Compute the mean squared difference of heat-maps (equation 2).

    A channel whose target is NaN is not labelled and counts nothing.

    Args:
        maps: (B, C, H, W).
        target: (B, C, H, W).

    Returns:
        A scalar.
    """
    labelled = target[..., :1, :1].isfinite()
    return torch.where(labelled, maps - target, 0.0).square().mean()


class PlanningLoss(nn.Module):
    """The loss of every task at every stage, for a trainer that weights and sums them (deep supervision, section 2.1).

    Predictions are enlarged bilinearly to the targets' size, as the network does it in its answer: edges and peaks are
    then learnt to a fraction of a cell.

    Args:
        tasks: channels of each task by name, as the network has them; the first is the segmentation, with
            :func:`overlap_weighted_bce`, the others are heat-maps, with :func:`heatmap_loss`.
        beta: see :func:`overlap_weighted_bce`.

    Example:
        >>> import torch
        >>> loss = PlanningLoss({"segmentation": 4, "landmarks": 2, "roi": 1})
        >>> (stage,) = loss([torch.zeros(1, 7, 16, 16)], torch.zeros(1, 7, 64, 64))
        >>> [round(float(task), 4) for task in stage]  # 4 log 2, and twice nothing
        [2.7726, 0.0, 0.0]
    """

    def __init__(self, tasks: Mapping[str, int], beta: float = 0.6) -> None:
        super().__init__()
        self.channels = list(tasks.values())
        self.beta = float(beta)

    def forward(self, pred: Sequence[torch.Tensor], target: torch.Tensor) -> list[list[torch.Tensor]]:
        """Compare what every stage predicts with the targets.

        Args:
            pred: for each stage (B, C, h, w), the bones as logits.
            target: (B, C, H, W).

        Returns:
            For each stage, for each task, a scalar. They are not stacked: a stack would make each loss depend, with
            derivative 0, on what all the others depend on, and the gradient of one would cost as much as that of all.

        Raises:
            ValueError: if the numbers of channels differ.
        """
        target = target.as_subclass(torch.Tensor).float()
        counts = {maps.shape[1] for maps in (*pred, target)}
        if counts != {sum(self.channels)}:
            raise ValueError(f"predictions and target have {sum(self.channels)} channels, got {sorted(counts)}")
        targets = target.split(self.channels, dim=1)
        return [self._of_stage(maps.as_subclass(torch.Tensor).float(), targets) for maps in pred]

    def _of_stage(self, maps: torch.Tensor, targets: tuple[torch.Tensor, ...]) -> list[torch.Tensor]:
        size = targets[0].shape[-2:]
        parts = maps.split(self.channels, dim=1)
        large = [functional.interpolate(part, size=size, mode="bilinear", align_corners=False) for part in parts]
        bones = overlap_weighted_bce(large[0], targets[0], self.beta)
        return [bones, *(heatmap_loss(part, target) for part, target in zip(large[1:], targets[1:], strict=True))]
