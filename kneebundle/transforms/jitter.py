"""Random displacement of the target points (KNEEL section 4.4, "Target Jitter")."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform, RandomizableTransform

__all__ = ["RandPointJitterd"]


class RandPointJitterd(RandomizableTransform, MapTransform):
    """Add uniform noise to points; the paper's is one pixel either way.

    Args:
        keys: of points (N, 2), fractions of width and height.
        image_key: image (1, H, W) whose pixels the amount is given in.
        pixels: largest displacement along each axis.
        prob: of any displacement; the paper saw no gain beside MixUp.
    """

    def __init__(
        self,
        keys: KeysCollection,
        image_key: str = "image",
        pixels: float = 1.0,
        prob: float = 0.0,
        allow_missing_keys: bool = False,
    ) -> None:
        MapTransform.__init__(self, keys, allow_missing_keys)
        RandomizableTransform.__init__(self, prob)
        self.image_key = image_key
        self.pixels = pixels

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        self.randomize(None)
        if self._do_transform:
            height, width = d[self.image_key].shape[-2:]
            for key in self.key_iterator(d):
                points = torch.as_tensor(d[key])
                noise = torch.from_numpy(self.R.uniform(-self.pixels, self.pixels, tuple(points.shape)))
                d[key] = points + (noise / torch.tensor([width, height])).to(points)
        return d
