"""Maps averaged over an image and its mirror image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from kneebundle.inferers.autocast import AutocastInferer

__all__ = ["MirroredInferer"]


class MirroredInferer(AutocastInferer):
    """Predict maps of an image and its mirror image, and take the mean.

    For networks that were trained on both, as with a random horizontal flip. Edges and peaks fall elsewhere within the
    cells of the maps, and the errors of the two predictions partly cancel. It takes twice the time.

    Args:
        mirror: False: predict on the image alone.
        args, kwargs: those of :class:`~kneebundle.inferers.AutocastInferer`.
    """

    def __init__(self, *args: Any, mirror: bool = True, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.mirror = mirror

    def __call__(
        self, inputs: torch.Tensor, network: Callable[..., torch.Tensor], *args: Any, **kwargs: Any
    ) -> torch.Tensor:
        """Predict the maps (B, C, H, W) of images (B, 1, H, W)."""
        maps = super().__call__(inputs, network, *args, **kwargs)
        if not self.mirror:
            return maps
        other = super().__call__(inputs.as_subclass(torch.Tensor).flip(-1), network, *args, **kwargs)
        return (maps + other.flip(-1)) / 2
