"""MONAI inferers for networks of landmarks and of heatmaps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from kneebundle.inferers.autocast import AutocastInferer
from kneebundle.networks.heatmaps import decode_heatmaps

__all__ = ["HeatmapInferer", "LandmarkInferer"]


class LandmarkInferer(AutocastInferer):
    """Predict points and confidence, (B, N, 3), with a landmark network; in mixed precision if a ``dtype`` is given."""

    def __init__(self, dtype: str | None = None, memory_format: str | torch.memory_format = "channels_last") -> None:
        super().__init__(dtype, memory_format)

    def __call__(
        self, inputs: torch.Tensor, network: Callable[..., torch.Tensor], *args: Any, **kwargs: Any
    ) -> torch.Tensor:
        """Predict on images (B, C, H, W); gives x and y in [0, 1) and confidence in (0, 1]."""
        return super().__call__(inputs, network, *args, with_confidence=True, **kwargs)


class HeatmapInferer(AutocastInferer):
    """Predict heatmaps and decode them to points and confidence, as a landmark network gives them.

    A trainer needs the heatmaps themselves: give it :class:`~kneebundle.inferers.AutocastInferer`.

    Args:
        dtype: see :class:`~kneebundle.inferers.AutocastInferer`.
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
        """Predict on images (B, C, *S); gives (B, N, d + 1), x, y(, z) in [0, 1) and confidence in (0, 1]."""
        heatmaps = super().__call__(inputs, network, *args, **kwargs)
        points, confidence = decode_heatmaps(
            heatmaps, self.method, height=self.height, confidence_spread=self.confidence_spread
        )
        return torch.cat([points, confidence.unsqueeze(-1)], dim=-1)
