"""Fit a whole image onto a grid of fixed size and keep its proportions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform

from kneebundle.transforms.resample import pixel_spacing, resample_grid

__all__ = ["FitToSized", "fit_to_size"]


def fit_to_size(image: MetaTensor, size: Sequence[int]) -> MetaTensor:
    """Resample an image, in one interpolation, so that it just fits into a grid, in the middle of it.

    An image whose pixels have the right size already is only padded; its middle may then lie half a pixel off.

    Args:
        image: (C, H, W).
        size: of the grid, (rows, columns).

    Returns:
        (C, rows, columns) float32 with square pixels, NaN beside or above and below the image (to be filled later), its
        affine in the world of ``image``.
    """
    rows, columns = (int(n) for n in size)
    old = np.array(pixel_spacing(image))
    field = np.array(image.shape[1:]) * old
    spacing = float((field / (rows, columns)).max())
    middle = (np.array(image.shape[1:]) - 1) / 2
    start = middle - (np.array([rows, columns]) - 1) / 2 * spacing / old
    if np.allclose(spacing, old, rtol=1e-6):
        start = np.floor(start)
    first = (float(start[0]), float(start[1]))
    channels: list[Any] = list(image.split(1))
    channels = [resample_grid(channel, first, (spacing, spacing), (rows, columns)) for channel in channels]
    return MetaTensor(torch.cat([channel.as_tensor() for channel in channels]), meta=channels[0].meta)


class FitToSized(MapTransform):
    """Dictionary version of :func:`fit_to_size`.

    Args:
        keys: of MetaTensors (C, H, W).
        size: of the grid, (rows, columns).
        allow_missing_keys: do not raise where a key is missing.

    Example:
        >>> import torch
        >>> from monai.data import MetaTensor
        >>> fit = FitToSized("image", size=(8, 8))
        >>> image = fit({"image": MetaTensor(torch.ones(1, 8, 4))})["image"]
        >>> image[0, 0].tolist()
        [nan, nan, 1.0, 1.0, 1.0, 1.0, nan, nan]
    """

    def __init__(self, keys: KeysCollection, size: Sequence[int], allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.size = tuple(int(n) for n in size)

    def __call__(self, data: Mapping[Any, Any]) -> dict[Any, Any]:
        """Fit the images."""
        d = dict(data)
        for key in self.key_iterator(d):
            d[key] = fit_to_size(d[key], self.size)
        return d
