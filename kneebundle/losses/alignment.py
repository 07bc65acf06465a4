"""Fit the best isotropic scale and shift between two point sets; the metrics use it too."""

from __future__ import annotations

import torch

__all__ = ["fit_scale_shift"]


def fit_scale_shift(points: torch.Tensor, reference: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
    """Move points onto a reference by the least-squares scale and shift, without rotation.

    The scale is not negative. Where fewer than two landmarks are left, or all points coincide, only the shift is
    fitted; where none is left the points stay.

    Args:
        points: (..., N, 2) in a unit that is the same along x and y (px or mm, not normalised by unequal sides).
        reference: (..., N, 2), the same landmarks in the same unit.
        mask: (..., N) which landmarks the fit rests on; None: those that are finite in both.

    Returns:
        (..., N, 2): all the points, moved.

    Example:
        >>> import torch
        >>> square = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
        >>> torch.allclose(fit_scale_shift(3 * square + 5, square), square)
        True
    """
    if mask is None:
        mask = points.isfinite().all(-1) & reference.isfinite().all(-1)
    weight = mask.unsqueeze(-1).to(points.dtype)
    count = weight.sum(-2, keepdim=True).clamp_min(1.0)
    kept = torch.where(mask.unsqueeze(-1), points, 0.0)
    target = torch.where(mask.unsqueeze(-1), reference, 0.0)
    center = kept.sum(-2, keepdim=True) / count
    target_center = target.sum(-2, keepdim=True) / count
    offset, target_offset = (kept - center) * weight, (target - target_center) * weight
    spread = offset.square().sum((-2, -1), keepdim=True)
    product = (offset * target_offset).sum((-2, -1), keepdim=True)
    scale = torch.where(spread > 0, product / spread.clamp_min(torch.finfo(points.dtype).tiny), 1.0).clamp_min(0.0)
    return (points - center) * scale + target_center
