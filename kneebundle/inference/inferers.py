"""How a landmark network is asked, in the form that MONAI's engines take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from kneebundle.networks.heatmaps import decode_heatmaps
from kneebundle.training.amp import AutocastInferer

__all__ = ["HeatmapInferer", "LandmarkInferer"]


class LandmarkInferer(AutocastInferer):
    """Ask a landmark network for points and confidence, (B, N, 3); in mixed precision if a ``dtype`` is given."""

    def __init__(self, dtype: str | None = None, memory_format: str | torch.memory_format = "channels_last") -> None:
        super().__init__(dtype, memory_format)

    def __call__(
        self, inputs: torch.Tensor, network: Callable[..., torch.Tensor], *args: Any, **kwargs: Any
    ) -> torch.Tensor:
        """Answer x and y in [0, 1) and confidence in (0, 1] for images (B, C, H, W)."""
        return super().__call__(inputs, network, *args, with_confidence=True, **kwargs)


class HeatmapInferer(AutocastInferer):
    """Ask a heatmap network and decode: points and confidence, as a landmark network answers them.

    A trainer needs the heatmaps themselves: give it :class:`~kneebundle.training.AutocastInferer`.

    Args:
        dtype: see :class:`~kneebundle.training.AutocastInferer`.
        memory_format: the same.
        method: see :func:`~kneebundle.networks.heatmaps.decode_heatmaps`.
        height: the same: the peak that counts in full for the confidence.
        confidence_spread: the same.
    """

    def __init__(
        self,
        dtype: str | None = None,
        memory_format: str | torch.memory_format = "channels_last",
        method: str = "centroid",
        height: float = 1.0,
        confidence_spread: float = 0.015,
    ) -> None:
        super().__init__(dtype, memory_format)
        self.method = method
        self.height = float(height)
        self.confidence_spread = float(confidence_spread)

    def __call__(
        self, inputs: torch.Tensor, network: Callable[..., torch.Tensor], *args: Any, **kwargs: Any
    ) -> torch.Tensor:
        """Answer (B, N, d + 1) for images (B, C, *S): x, y(, z) in [0, 1) and confidence in (0, 1]."""
        heatmaps = super().__call__(inputs, network, *args, **kwargs)
        points, confidence = decode_heatmaps(
            heatmaps, self.method, height=self.height, confidence_spread=self.confidence_spread
        )
        return torch.cat([points, confidence.unsqueeze(-1)], dim=-1)
