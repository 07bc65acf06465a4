"""General and adaptive robust loss (Barron, CVPR 2019), with its shape and width learnt."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from kneebundle.losses.base import LandmarkLoss

__all__ = ["AdaptiveRobustLoss", "log_partition", "robust_penalty"]


def robust_penalty(residual: torch.Tensor, alpha: torch.Tensor, width: torch.Tensor) -> torch.Tensor:
    """Barron equation 1 for 0 < alpha < 2: ``|a-2|/a ((x^2 / (c^2 |a-2|) + 1)^(a/2) - 1)``.

    alpha near 0 is the Cauchy loss, 1 the Charbonnier loss (smooth L1), near 2 L2.

    Args:
        residual: x, any shape.
        alpha: shape, broadcast against it.
        width: c, broadcast against it.

    Example:
        >>> import torch
        >>> penalty = robust_penalty(torch.tensor(3.0) ** 0.5, torch.tensor(1.0), torch.tensor(1.0))
        >>> round(float(penalty), 4)  # sqrt(3 + 1) - 1
        1.0
    """
    b = 2.0 - alpha
    return b / alpha * torch.expm1(0.5 * alpha * torch.log1p((residual / width).square() / b))


def log_partition(alpha: torch.Tensor, nodes: int = 1025, reach: float = 30.0) -> torch.Tensor:
    """Compute log Z(alpha), Z the integral of exp(-penalty) over all x at width 1, for 0 < alpha < 2 (equation 17).

    Barron's implementation reads it from a spline table. Here the integral is taken by the trapezoidal rule over
    x = sinh(t), in float64: good to 1e-6 on Barron's range, differentiable, and no table to ship.

    Args:
        alpha: any shape.
        nodes: number of points on 0 <= t <= reach.
        reach: the largest t; sinh(30) is 5e12.
    """
    t = torch.linspace(0.0, reach, nodes, dtype=torch.float64, device=alpha.device)
    wide_alpha = alpha.double().unsqueeze(-1)
    log_integrand = torch.log(torch.cosh(t)) - robust_penalty(torch.sinh(t), wide_alpha, torch.ones_like(t))
    weights = torch.full_like(t, 2.0 * reach / (nodes - 1))
    weights[0] *= 0.5
    return torch.logsumexp(log_integrand + weights.log(), dim=-1)


class AdaptiveRobustLoss(LandmarkLoss):
    """Negative log-likelihood of Barron's distribution, ``rho(x, alpha, c) + log c + log Z(alpha)``.

    alpha and c are learnt for each coordinate of each landmark, so the loss has parameters of its own: give them to the
    optimizer and save the loss with the checkpoint. It may be negative. The defaults are those of Barron's
    ``AdaptiveLossFunction``.

    Args:
        num_landmarks: N.
        unit: see :class:`LandmarkLoss`.
        scale: see :class:`LandmarkLoss`.
        alpha_range: open interval that alpha is learnt in, inside (0, 2).
        alpha_init: where alpha starts; None: in the middle.
        width_init: where c starts, in the loss's unit.
        width_min: c stays above it.

    Raises:
        ValueError: for ranges or starts that do not fit together.

    Example:
        It starts at alpha = 1 and c = 1, and for points that are right only log Z(1) is left.

        >>> import torch
        >>> loss = AdaptiveRobustLoss(num_landmarks=1, unit="normalized")
        >>> point = torch.tensor([[[0.5, 0.5]]])
        >>> torch.allclose(loss(point, point), log_partition(torch.tensor(1.0)).float())
        True
    """

    def __init__(
        self,
        num_landmarks: int,
        unit: str,
        scale: float | Sequence[float] | None = None,
        alpha_range: Sequence[float] = (0.001, 1.999),
        alpha_init: float | None = None,
        width_init: float = 1.0,
        width_min: float = 1e-5,
    ) -> None:
        super().__init__(unit, scale)
        low, high = (float(bound) for bound in alpha_range)
        start = 0.5 * (low + high) if alpha_init is None else float(alpha_init)
        if not 0 < low < start < high < 2:
            raise ValueError(f"alpha needs 0 < low < start < high < 2, got {low}, {start}, {high}")
        if not 0 < width_min < width_init:
            raise ValueError(f"the width needs 0 < width_min < width_init, got {width_min} and {width_init}")
        self.alpha_low, self.alpha_high = low, high
        self.width_init, self.width_min = float(width_init), float(width_min)
        latent = math.log((start - low) / (high - start))
        self.latent_alpha = nn.Parameter(torch.full((num_landmarks, 2), latent))
        self.latent_width = nn.Parameter(torch.zeros(num_landmarks, 2))

    def alpha(self) -> torch.Tensor:
        """The shapes (N, 2)."""
        return self.alpha_low + (self.alpha_high - self.alpha_low) * torch.sigmoid(self.latent_alpha)

    def width(self) -> torch.Tensor:
        """The widths c (N, 2), in the loss's unit."""
        unit_at_zero = functional.softplus(self.latent_width + math.log(math.expm1(1.0)))
        return self.width_min + (self.width_init - self.width_min) * unit_at_zero

    def penalty(self, residual: torch.Tensor) -> torch.Tensor:
        """Penalty of each residual, in the loss's unit."""
        alpha, width = self.alpha(), self.width()
        constant = width.log() + log_partition(alpha).to(width.dtype)
        return robust_penalty(residual, alpha, width) + constant
