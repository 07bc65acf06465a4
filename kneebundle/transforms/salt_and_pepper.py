"""Random salt-and-pepper noise (KNEEL section 3.3)."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform, RandomizableTransform

__all__ = ["RandSaltAndPepperd"]


class RandSaltAndPepperd(RandomizableTransform, MapTransform):
    """Set single pixels to the darkest or the brightest value; MONAI has no such transform.

    Args:
        keys: of images (1, H, W).
        prob: of any noise.
        amount: largest share of the pixels that is hit; the share is drawn between 0 and this.
        value_range: pepper and salt.
    """

    def __init__(
        self,
        keys: KeysCollection,
        prob: float = 0.1,
        amount: float = 0.02,
        value_range: tuple[float, float] = (-1.0, 1.0),
        allow_missing_keys: bool = False,
    ) -> None:
        MapTransform.__init__(self, keys, allow_missing_keys)
        RandomizableTransform.__init__(self, prob)
        self.amount = amount
        self.value_range = value_range
        self._seed = 0
        self._share = 0.0

    def randomize(self, data: Any = None) -> None:
        super().randomize(None)
        self._share = self.R.uniform(0, self.amount)
        self._seed = int(self.R.randint(2**31 - 1))

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        self.randomize()
        if not self._do_transform:
            return d
        for key in self.key_iterator(d):
            image = torch.as_tensor(d[key]).clone()
            draw = torch.rand(image.shape, generator=torch.Generator().manual_seed(self._seed))
            image[draw < self._share / 2] = self.value_range[0]
            image[draw > 1 - self._share / 2] = self.value_range[1]
            d[key] = image
        return d
