"""Points between the world (mm of the film) and a network's [0, 1) of its input, through the affine alone."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform

__all__ = ["NormalizedToWorldd", "PixelsToWorldd", "WorldToNormalizedd", "normalized_to_world", "world_to_normalized"]


def _apply(matrix: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """Apply an affine over (row, column) to points (N, 2) that are (x, y)."""
    linear, shift = matrix[:2, :2], matrix[:2, 3]
    return (points.flip(-1) @ linear.T + shift).flip(-1)


def world_to_normalized(points_mm: Any, image: Any) -> torch.Tensor:
    """Points (N, 2) from mm to fractions of an image's width and height.

    Pixel (row i, column j) of an H x W image has its centre at x = (j + 0.5) / W, y = (i + 0.5) / H.

    Args:
        points_mm: (N, 2), x then y.
        image: MetaTensor (1, H, W) whose affine takes (row, column) to mm.

    Returns:
        (N, 2) float32; inside the image in [0, 1).
    """
    affine = torch.as_tensor(image.affine, dtype=torch.float64).cpu()
    index = _apply(torch.linalg.inv(affine), torch.as_tensor(points_mm, dtype=torch.float64))
    size = torch.tensor([image.shape[-1], image.shape[-2]], dtype=torch.float64)
    return ((index + 0.5) / size).float()


def normalized_to_world(points: Any, image: Any) -> torch.Tensor:
    """The way back of :func:`world_to_normalized`; (N, 2) float64 in mm."""
    affine = torch.as_tensor(image.affine, dtype=torch.float64).cpu()
    size = torch.tensor([image.shape[-1], image.shape[-2]], dtype=torch.float64)
    return _apply(affine, torch.as_tensor(points, dtype=torch.float64).cpu() * size - 0.5)


class WorldToNormalizedd(MapTransform):
    """Dictionary version of :func:`world_to_normalized`: the points under ``keys`` become fractions of ``image_key``."""

    def __init__(self, keys: KeysCollection, image_key: str = "image", allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.image_key = image_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        for key in self.key_iterator(d):
            d[key] = world_to_normalized(d[key], d[self.image_key])
        return d


class NormalizedToWorldd(MapTransform):
    """Dictionary version of :func:`normalized_to_world`.

    A third column, such as a confidence, passes unchanged.
    """

    def __init__(self, keys: KeysCollection, image_key: str = "image", allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.image_key = image_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        for key in self.key_iterator(d):
            value = torch.as_tensor(d[key]).detach().cpu()
            world = normalized_to_world(value[:, :2], d[self.image_key])
            d[key] = torch.cat([world, value[:, 2:].double()], dim=-1)
        return d


class PixelsToWorldd(MapTransform):
    """Points (N, 2) from pixels of ``image_key`` (x, y; pixel centres at integers) to mm, through its affine; float64."""

    def __init__(self, keys: KeysCollection, image_key: str = "image", allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.image_key = image_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        affine = torch.as_tensor(d[self.image_key].affine, dtype=torch.float64).cpu()
        for key in self.key_iterator(d):
            d[key] = _apply(affine, torch.as_tensor(d[key], dtype=torch.float64))
        return d
