"""Random inversion of grey values, so that a network does not mind which way round a radiograph was stored."""

from __future__ import annotations

from typing import Any

from monai.config import KeysCollection

from kneebundle.transforms.random_map import RandomMapTransform

__all__ = ["RandInvertIntensityd"]


class RandInvertIntensityd(RandomMapTransform):
    """Negate images whose range is symmetric about 0, such as [-1, 1].

    Args:
        keys: of images (1, H, W).
        prob: of the inversion.
        allow_missing_keys: do not raise where a key is missing.

    Example:
        >>> import torch
        >>> RandInvertIntensityd("image", prob=1.0)({"image": torch.tensor([[[-1.0, 0.5]]])})["image"]
        tensor([[[ 1.0000, -0.5000]]])
    """

    def __init__(self, keys: KeysCollection, prob: float = 0.2, allow_missing_keys: bool = False) -> None:
        super().__init__(keys, prob, allow_missing_keys)

    def apply(self, value: Any) -> Any:
        """Negate an image."""
        return -value
