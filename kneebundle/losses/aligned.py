"""A loss for labels whose scale and position carry noise."""

from __future__ import annotations

import torch
from torch import nn

from kneebundle.losses.alignment import fit_scale_shift
from kneebundle.losses.base import LandmarkLoss

__all__ = ["AlignedLandmarkLoss"]


class AlignedLandmarkLoss(nn.Module):
    """``(1 - weight) base(pred, target) + weight base(pred, aligned target)``, for labels noisy in scale and position.

    The aligned target is the target after the best isotropic scale and shift of each image's points onto the prediction
    (no rotation, no gradient through the fit), the step towards it shrunk. Labels that were placed by fitting scale and
    position have an expert's shape but noise in these three numbers; the aligned part learns from the shape alone. It
    says nothing of where the knee is, so ``weight`` stays below 1, and while a network still answers the same place
    for every landmark, only the other part leads it away.

    The fit is done in the base loss's unit. Where images are not square, that must be ``"px"`` or ``"mm"`` with
    ``scale=(width, height)``, or one scale for both axes would not be isotropic.

    Args:
        base: the loss to use.
        weight: of the aligned part, in [0, 1).
        shrinkage: 0 takes the whole step to the aligned target, 1 none of it.

    Raises:
        ValueError: for a ``weight`` or ``shrinkage`` out of range.

    Example:
        Labels of the right shape, 10 px beside the prediction along x: only the plain part costs anything.

        >>> import torch
        >>> from kneebundle.losses import L1Loss
        >>> loss = AlignedLandmarkLoss(L1Loss("px", scale=100), weight=0.4)
        >>> target = torch.tensor([[[0.2, 0.3], [0.6, 0.5]]])
        >>> round(float(loss(target + torch.tensor([0.1, 0.0]), target)), 4)  # 0.6 (10 + 0) / 2
        3.0
    """

    def __init__(self, base: LandmarkLoss, weight: float = 0.5, shrinkage: float = 0.0) -> None:
        super().__init__()
        if not 0 <= weight < 1:
            raise ValueError(f"weight is in [0, 1): the aligned part alone leaves the position free; got {weight}")
        if not 0 <= shrinkage <= 1:
            raise ValueError(f"shrinkage is in [0, 1], got {shrinkage}")
        self.base = base
        self.weight = float(weight)
        self.shrinkage = float(shrinkage)

    def forward(self, pred: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Arguments and masking: see :meth:`LandmarkLoss.forward`."""
        points, labels, mask = self.base.in_unit(pred, target)
        step = fit_scale_shift(labels, points.detach(), mask) - labels
        aligned = labels + (1.0 - self.shrinkage) * step
        plain_part = self.base.masked_mean(points - labels, mask)
        aligned_part = self.base.masked_mean(points - aligned, mask)
        return (1.0 - self.weight) * plain_part + self.weight * aligned_part
