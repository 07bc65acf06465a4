"""How a landmark network is asked, in the form that MONAI's engines take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from kneebundle.training.amp import AutocastInferer

__all__ = ["LandmarkInferer"]


class LandmarkInferer(AutocastInferer):
    """Ask a landmark network for points and confidence, (B, N, 3); in mixed precision if a ``dtype`` is given."""

    def __init__(self, dtype: str | None = None, memory_format: str = "channels_last") -> None:
        super().__init__(dtype, memory_format)

    def __call__(
        self, inputs: torch.Tensor, network: Callable[..., torch.Tensor], *args: Any, **kwargs: Any
    ) -> torch.Tensor:
        """Answer x and y in [0, 1) and confidence in (0, 1] for images (B, C, H, W)."""
        return super().__call__(inputs, network, *args, with_confidence=True, **kwargs)
