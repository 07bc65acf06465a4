"""Random median blur (KNEEL section 3.3)."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform, RandomizableTransform

__all__ = ["RandMedianBlurd"]


class RandMedianBlurd(RandomizableTransform, MapTransform):
    """Median over a square neighbourhood with a given probability; MONAI's MedianSmooth knows no chance.

    The filter is SciPy's, which needs no unfolded copy of the image as MONAI's does.

    Args:
        keys: of images (1, H, W).
        prob: of the blur.
        size: edge of the neighbourhood in pixels.
    """

    def __init__(
        self, keys: KeysCollection, prob: float = 0.1, size: int = 3, allow_missing_keys: bool = False
    ) -> None:
        MapTransform.__init__(self, keys, allow_missing_keys)
        RandomizableTransform.__init__(self, prob)
        self.size = size

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        from scipy.ndimage import median_filter

        d = dict(data)
        self.randomize(None)
        if self._do_transform:
            for key in self.key_iterator(d):
                image = torch.as_tensor(d[key])
                d[key] = torch.from_numpy(median_filter(image.numpy(), size=(1, self.size, self.size)))
        return d
