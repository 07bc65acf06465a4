"""Random salt-and-pepper noise (KNEEL section 3.3)."""

from __future__ import annotations

from typing import Any

import torch
from monai.config import KeysCollection

from kneebundle.transforms.random_map import RandomMapTransform

__all__ = ["RandSaltAndPepperd"]


class RandSaltAndPepperd(RandomMapTransform):
    """Set single pixels to the darkest or the brightest value; MONAI has no such transform.

    Args:
        keys: of images (1, H, W).
        prob: of any noise.
        amount: largest share of the pixels that is hit; the share is drawn between 0 and this.
        value_range: pepper and salt.
        allow_missing_keys: do not raise where a key is missing.

    Example:
        >>> import torch
        >>> noise = RandSaltAndPepperd("image", prob=1.0, amount=0.1).set_random_state(0)
        >>> noise({"image": torch.zeros(1, 64, 64)})["image"].unique()
        tensor([-1.,  0.,  1.])
    """

    def __init__(
        self,
        keys: KeysCollection,
        prob: float = 0.1,
        amount: float = 0.02,
        value_range: tuple[float, float] = (-1.0, 1.0),
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, prob, allow_missing_keys)
        self.amount = amount
        self.value_range = value_range
        self._seed = 0
        self._share = 0.0

    def randomize(self, data: Any = None) -> None:
        """Draw whether to act, the share of pixels, and the seed for their places."""
        super().randomize(data)
        self._share = self.R.uniform(0, self.amount)
        self._seed = int(self.R.randint(2**31 - 1))

    def apply(self, value: Any) -> Any:
        """Set pixels of an image to the ends of the range."""
        image = torch.as_tensor(value).clone()
        draw = torch.rand(image.shape, generator=torch.Generator().manual_seed(self._seed))
        image[draw < self._share / 2] = self.value_range[0]
        image[draw > 1 - self._share / 2] = self.value_range[1]
        return image
