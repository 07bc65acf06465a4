"""Heatmap regression with Gaussians whose width is learnt (Payer et al. 2019)."""

from __future__ import annotations

import math

import torch
from torch import nn

__all__ = ["HeatmapLoss", "gaussian_heatmaps"]


def gaussian_heatmaps(
    points: torch.Tensor, size: torch.Size | list[int] | tuple[int, ...], sigma: torch.Tensor, height: torch.Tensor
) -> torch.Tensor:
    """Draw Gaussians of a given height around points.

    Args:
        points: (B, N, d) normalised, x, y(, z): (index + 0.5) / size.
        size: the maps' (H, W) or (D, H, W).
        sigma: (N,) in pixels.
        height: (N,), the values at the points.

    Returns:
        (B, N, *size).

    Example:
        >>> import torch
        >>> gaussian_heatmaps(torch.tensor([[[0.5, 0.5]]]), (1, 3), torch.tensor([1.0]), torch.tensor([2.0]))
        tensor([[[[1.2131, 2.0000, 1.2131]]]])
    """
    dims = len(size)
    maps = height.reshape(-1, *[1] * dims)
    for axis, length in enumerate(size):
        centre = points[..., dims - 1 - axis] * length - 0.5
        offset = torch.arange(length, device=points.device, dtype=points.dtype) - centre.unsqueeze(-1)
        along = torch.exp(-0.5 * (offset / sigma.unsqueeze(-1)).square())
        maps = maps * along.reshape(*along.shape[:2], *[length if a == axis else 1 for a in range(dims)])
    return maps


class HeatmapLoss(nn.Module):
    """``sum_i sum_x (h_i(x) - g_i(x; sigma_i))^2 + alpha sum_i sigma_i^2``, averaged over the images of a batch.

    The target g_i is a Gaussian around landmark i of height ``gamma / ((2 pi)^(d/2) sigma_i^d)``; sigma_i is learnt
    with the network, one for each landmark: landmarks that can be found well get narrow, high targets, others wide, low
    ones. The second term keeps the sigmas from growing. Payer et al. (Medical Image Analysis 54, 2019), section 3.1;
    there the network's weights are penalised as well, which here is the optimiser's ``weight_decay``. The sigmas must
    have no such decay. Give both to the optimiser and save the loss with the checkpoint::

        torch.optim.Adam([
            {"params": network.parameters(), "weight_decay": 1e-4},
            {"params": loss.parameters(), "weight_decay": 0.0},
        ], lr=1e-3)

    We differ from the paper in learning log(sigma - sigma_min), so that no step can make a sigma negative.

    A landmark whose point is not finite or lies outside [0, 1), or whose target map is nowhere positive, is not learnt:
    its map has neither a part in the loss nor a gradient.

    Args:
        num_landmarks: N.
        spatial_dims: d, 2 or 3.
        sigma: where the sigmas start, or stay, in pixels of the heatmaps.
        learn_sigma: False: fixed sigmas, without the second term.
        sigma_weight: alpha, in the unit of the loss a square pixel.
        scale: gamma; the release has 100 in 2-D and 1000 in 3-D. None, with fixed sigmas only: targets of height 1.
        sigma_min: sigmas stay above it, in pixels.

    Raises:
        ValueError: for numbers that do not fit together, or, in forward, for shapes that do not.

    Example:
        >>> import torch
        >>> loss = HeatmapLoss(num_landmarks=1, sigma=1.0, learn_sigma=False, scale=None)
        >>> round(float(loss(torch.zeros(1, 1, 1, 3), torch.tensor([[[0.5, 0.5]]]))), 4)  # 1 + 2 exp(-1)
        1.7358
        >>> HeatmapLoss(num_landmarks=37, sigma=3.0).sigma().shape
        torch.Size([37])
    """

    def __init__(
        self,
        num_landmarks: int,
        spatial_dims: int = 2,
        sigma: float = 3.0,
        learn_sigma: bool = True,
        sigma_weight: float = 5.0,
        scale: float | None = 100.0,
        sigma_min: float = 0.5,
    ) -> None:
        super().__init__()
        if spatial_dims not in (2, 3):
            raise ValueError(f"spatial_dims is 2 or 3, got {spatial_dims}")
        if not 0 <= sigma_min < sigma:
            raise ValueError(f"sigma needs 0 <= sigma_min < sigma, got {sigma_min} and {sigma}")
        if scale is None and learn_sigma:
            raise ValueError("learnt sigmas need a scale: with targets of height 1 they would vanish")
        self.num_landmarks, self.spatial_dims = int(num_landmarks), int(spatial_dims)
        self.sigma_weight, self.scale, self.sigma_min = float(sigma_weight), scale, float(sigma_min)
        self.learn_sigma = bool(learn_sigma)
        latent = torch.full((num_landmarks,), math.log(sigma - sigma_min))
        if learn_sigma:
            self.latent_sigma = nn.Parameter(latent)
        else:
            self.register_buffer("latent_sigma", latent)

    def sigma(self) -> torch.Tensor:
        """The sigmas (N,), in pixels."""
        return self.sigma_min + self.latent_sigma.exp()

    def height(self) -> torch.Tensor:
        """The heights (N,) of the targets."""
        sigma = self.sigma()
        if self.scale is None:
            return torch.ones_like(sigma)
        return self.scale / (math.sqrt(2.0 * math.pi) * sigma) ** self.spatial_dims

    def forward(self, pred: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Compare predicted heatmaps with landmarks.

        Args:
            pred: (B, N, *S).
            target: points (B, N, d) normalised, x, y(, z), or, with fixed sigmas, heatmaps (B, N, *S) such as MONAI's
                GenerateHeatmapd makes.

        Returns:
            A scalar.
        """
        self._check(pred, target)
        pred, target = pred.as_subclass(torch.Tensor).float(), target.as_subclass(torch.Tensor).float()
        if target.ndim == 3:
            mask = ((target >= 0) & (target < 1)).all(-1)
            points = torch.where(mask.unsqueeze(-1), target, 0.5)
            target = gaussian_heatmaps(points, pred.shape[2:], self.sigma(), self.height())
        else:
            mask = (target > 0).flatten(2).any(-1)
        taken = mask.reshape(*mask.shape, *[1] * self.spatial_dims)
        loss = torch.where(taken, pred - target, 0.0).square().sum() / len(pred)
        if self.learn_sigma:
            loss = loss + self.sigma_weight * self.sigma().square().sum()
        return loss

    def _check(self, pred: torch.Tensor, target: torch.Tensor) -> None:
        maps = (self.num_landmarks, *pred.shape[2:])
        points = (self.num_landmarks, self.spatial_dims)
        if pred.ndim != 2 + self.spatial_dims or tuple(pred.shape[1:]) != maps:
            raise ValueError(f"pred is {self.num_landmarks} heatmaps in {self.spatial_dims}-D, got {tuple(pred.shape)}")
        wanted = [points] if self.learn_sigma else [points, maps]
        if len(target) != len(pred) or tuple(target.shape[1:]) not in wanted:
            raise ValueError(
                f"target is, for each of {len(pred)} images, {' or '.join(str(shape) for shape in wanted)}; "
                f"got {tuple(target.shape)}"
            )
