"""What all landmark losses share: check, mask, change to the unit, penalise, average."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import nn

__all__ = ["UNITS", "LandmarkLoss"]

UNITS = ("normalized", "px", "mm")


class LandmarkLoss(nn.Module, ABC):
    """Mean penalty of the coordinates' errors, in a stated unit.

    Networks answer normalised coordinates and targets come normalised too, but what a loss such as wing does
    depends on the unit its thresholds are meant in. So the unit is a choice without a default: errors are multiplied
    by ``scale`` before the penalty is taken, and the value of the loss is in that unit.

    A landmark whose target is not finite or lies outside [0, 1) is not learnt: it has neither a part in the mean nor
    a gradient. Where nothing is left the loss is 0, and can still be propagated backwards.

    Args:
        unit: ``"normalized"``, ``"px"`` or ``"mm"``: the unit in which the penalty acts.
        scale: size of the normalised frame in that unit: a number, or (width, height) where they differ. 140 mm at
            0.3 mm: 466.67 for ``"px"``, 140 for ``"mm"``. Left out for ``"normalized"``.

    Raises:
        ValueError: for an unknown unit, a missing or needless scale, one that is not positive, or, in forward, inputs
            that are not both (B, N, 2).

    Example:
        A loss of one's own:

        >>> import torch
        >>> class CubedLoss(LandmarkLoss):
        ...     def penalty(self, residual):
        ...         return residual.abs() ** 3
        >>> loss = CubedLoss("mm", scale=140)
        >>> target = torch.tensor([[[0.5, 0.5], [0.1, float("nan")]]])  # the second point has no label
        >>> round(float(loss(torch.full((1, 2, 2), 0.5) + torch.tensor([2 / 140, 0.0]), target)), 4)  # (8 + 0) / 2
        4.0
    """

    unit_scale: torch.Tensor

    def __init__(self, unit: str, scale: float | Sequence[float] | None = None) -> None:
        super().__init__()
        if unit not in UNITS:
            raise ValueError(f"unit is one of {', '.join(UNITS)}, got {unit!r}")
        self.unit = unit
        self.register_buffer("unit_scale", _unit_scale(unit, scale), persistent=False)

    def forward(self, pred: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Compare predictions with targets.

        Args:
            pred: (B, N, 2) normalised, x then y.
            target: (B, N, 2) normalised, x then y; NaN or outside [0, 1) where there is nothing to learn.

        Returns:
            The mean penalty, a scalar.
        """
        pred_in_unit, target_in_unit, mask = self.in_unit(pred, target)
        return self.masked_mean(pred_in_unit - target_in_unit, mask)

    def in_unit(self, pred: torch.Tensor, target: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Predictions and targets in the loss's unit, at least float32, and (B, N): which landmarks take part."""
        if pred.shape != target.shape or pred.ndim != 3 or pred.shape[-1] != 2:
            raise ValueError(f"pred and target are both (B, N, 2), got {tuple(pred.shape)} and {tuple(target.shape)}")
        pred, target = _plain(pred), _plain(target)
        dtype = torch.promote_types(pred.dtype, torch.float32)
        mask = ((target >= 0) & (target < 1)).all(dim=-1)
        target = torch.where(mask.unsqueeze(-1), target, 0.0).to(dtype)
        scale = self.unit_scale.to(dtype)
        return pred.to(dtype) * scale, target * scale, mask

    def masked_mean(self, residual: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Mean penalty of residuals (B, N, 2) over the landmarks of ``mask`` (B, N)."""
        taken = mask.unsqueeze(-1)
        penalty = self.penalty(torch.where(taken, residual, 0.0))
        return torch.where(taken, penalty, 0.0).sum() / (2 * mask.sum()).clamp_min(1)

    @abstractmethod
    def penalty(self, residual: torch.Tensor) -> torch.Tensor:
        """Penalty of each residual: (B, N, 2) in the loss's unit to (B, N, 2)."""


def _unit_scale(unit: str, scale: float | Sequence[float] | None) -> torch.Tensor:
    if unit == "normalized":
        if scale is not None:
            raise ValueError("a loss on normalised coordinates has no scale; choose unit 'px' or 'mm' to give one")
        return torch.ones(2)
    if scale is None:
        raise ValueError(f"a loss in {unit} needs scale: the size of the normalised frame in {unit}")
    pair = torch.as_tensor(scale, dtype=torch.float32).flatten()
    if pair.numel() not in (1, 2) or not bool((pair > 0).all() and pair.isfinite().all()):
        raise ValueError(f"scale is a positive number or two of them (width, height), got {scale}")
    return pair.expand(2).clone()


def _plain(points: torch.Tensor) -> torch.Tensor:
    # a MetaTensor's bookkeeping costs time at every operation
    return points.as_subclass(torch.Tensor)
