"""Clip and scale the grey values of a region whose outside is not filled yet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform

__all__ = ["NormalizePercentilesd", "normalize_percentiles"]


def normalize_percentiles(image: torch.Tensor, lower: float = 1.0, upper: float = 99.0) -> torch.Tensor:
    """Clip at two percentiles of the finite pixels and scale them to [-1, 1]; NaN stays NaN.

    MONAI's ScaleIntensityRangePercentiles would count the frame outside the radiograph among the pixels.

    Args:
        image: (1, H, W).
        lower: percentile that becomes -1.
        upper: percentile that becomes 1.

    Returns:
        The image in [-1, 1]; zeros where all finite pixels are equal.

    Example:
        >>> import torch
        >>> normalize_percentiles(torch.tensor([[[0.0, 50.0, 100.0, float("nan")]]]))
        tensor([[[-1.,  0.,  1., nan]]])
    """
    values = image.as_subclass(torch.Tensor).detach().cpu().numpy().ravel()
    values = values[np.isfinite(values)]
    if values.size == 0:
        return image
    places = [round((values.size - 1) * p / 100) for p in (lower, upper)]
    low, high = (float(value) for value in np.partition(values, places)[places])
    if high <= low:
        return image * 0.0
    return ((image - low) / (high - low)).clamp(0.0, 1.0) * 2.0 - 1.0


class NormalizePercentilesd(MapTransform):
    """Dictionary version of :func:`normalize_percentiles`.

    Args:
        keys: of images (1, H, W).
        lower: percentile that becomes -1.
        upper: percentile that becomes 1.
        allow_missing_keys: do not raise where a key is missing.
    """

    def __init__(
        self, keys: KeysCollection, lower: float = 1.0, upper: float = 99.0, allow_missing_keys: bool = False
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.lower, self.upper = lower, upper

    def __call__(self, data: Mapping[Any, Any]) -> dict[Any, Any]:
        """Normalise the images, each for itself."""
        d = dict(data)
        for key in self.key_iterator(d):
            d[key] = normalize_percentiles(d[key], self.lower, self.upper)
        return d
