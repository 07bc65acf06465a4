"""Random inversion of grey values, so that a network does not mind which way round a film was stored."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

from monai.config import KeysCollection
from monai.transforms import MapTransform, RandomizableTransform

__all__ = ["RandInvertIntensityd"]


class RandInvertIntensityd(RandomizableTransform, MapTransform):
    """Negate images whose range is symmetric about 0, such as [-1, 1].

    Args:
        keys: of images (1, H, W).
        prob: of the inversion.
    """

    def __init__(self, keys: KeysCollection, prob: float = 0.2, allow_missing_keys: bool = False) -> None:
        MapTransform.__init__(self, keys, allow_missing_keys)
        RandomizableTransform.__init__(self, prob)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        self.randomize(None)
        if self._do_transform:
            for key in self.key_iterator(d):
                d[key] = -d[key]
        return d
