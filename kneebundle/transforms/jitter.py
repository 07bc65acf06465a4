"""Random displacement of the target points (KNEEL section 4.4, "Target Jitter")."""

from __future__ import annotations

from typing import Any

import torch
from monai.config import KeysCollection

from kneebundle.transforms.random_map import RandomMapTransform

__all__ = ["RandPointJitterd"]


class RandPointJitterd(RandomMapTransform):
    """Add uniform noise to points; the paper's is one pixel either way.

    Args:
        keys: of points (N, 2), fractions of width and height.
        image_key: image (1, H, W) whose pixels the amount is given in.
        pixels: largest displacement along each axis.
        prob: of any displacement; the paper saw no gain beside MixUp.
        allow_missing_keys: do not raise where a key is missing.

    Example:
        >>> import torch
        >>> jitter = RandPointJitterd("landmarks", pixels=1.0, prob=1.0)
        >>> data = {"image": torch.zeros(1, 100, 100), "landmarks": torch.full((16, 2), 0.5)}
        >>> bool(((jitter(data)["landmarks"] - 0.5).abs() <= 0.01).all())
        True
    """

    def __init__(
        self,
        keys: KeysCollection,
        image_key: str = "image",
        pixels: float = 1.0,
        prob: float = 0.0,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, prob, allow_missing_keys)
        self.image_key = image_key
        self.pixels = pixels

    def randomize(self, data: Any) -> None:
        """Draw whether to act, and note the size of the image."""
        super().randomize(data)
        if self._do_transform:
            height, width = data[self.image_key].shape[-2:]
            self._size = torch.tensor([width, height])

    def apply(self, value: Any) -> Any:
        """Displace points."""
        points = torch.as_tensor(value)
        noise = torch.from_numpy(self.R.uniform(-self.pixels, self.pixels, tuple(points.shape)))
        return points + (noise / self._size).to(points)
