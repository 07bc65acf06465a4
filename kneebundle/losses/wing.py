"""Wing loss (Feng et al., CVPR 2018; KNEEL section 3.2, equation 4)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from kneebundle.losses.base import LandmarkLoss

__all__ = ["WingLoss"]


class WingLoss(LandmarkLoss):
    """Logarithmic near zero, L1 beyond: ``w ln(1 + |e| / epsilon)`` for ``|e| < w``, else ``|e| - C``.

    It acts on x and y separately, as in the wing paper. ``C = w - w ln(1 + w / epsilon)`` joins the two parts, so it
    is no parameter. KNEEL section 4.4 reads "w = 15 and C = 3"; these are the width w and the curvature epsilon (the
    defaults here), for which C is -11.88. Both are in the loss's unit; the wing paper means pixels.

    Args:
        unit: see :class:`LandmarkLoss`.
        scale: see :class:`LandmarkLoss`.
        w: half-width of the logarithmic part.
        epsilon: its curvature; the slope at zero is w / epsilon.

    Raises:
        ValueError: if ``w`` or ``epsilon`` is not positive.

    Example:
        An error of 3 px along x and none along y: (15 ln 2 + 0) / 2.

        >>> import torch
        >>> loss = WingLoss("px", scale=100)
        >>> round(float(loss(torch.tensor([[[0.53, 0.5]]]), torch.tensor([[[0.5, 0.5]]]))), 3)
        5.199
    """

    def __init__(
        self, unit: str, scale: float | Sequence[float] | None = None, w: float = 15.0, epsilon: float = 3.0
    ) -> None:
        super().__init__(unit, scale)
        if not (w > 0 and epsilon > 0):
            raise ValueError(f"w and epsilon are positive, got {w} and {epsilon}")
        self.w = float(w)
        self.epsilon = float(epsilon)
        self.c = self.w - self.w * math.log1p(self.w / self.epsilon)

    def penalty(self, residual: torch.Tensor) -> torch.Tensor:
        """Penalty of each residual, in the loss's unit."""
        error = residual.abs()
        return torch.where(error < self.w, self.w * torch.log1p(error / self.epsilon), error - self.c)
