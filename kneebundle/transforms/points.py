"""Points between the world (mm of the radiograph) and a network's [0, 1) of its input, through the affine alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform

__all__ = ["NormalizedToWorldd", "PixelsToWorldd", "WorldToNormalizedd", "normalized_to_world", "world_to_normalized"]


def _apply_affine(matrix: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """Apply an affine over (row, column) to points (N, 2) that are (x, y)."""
    linear, shift = matrix[:2, :2], matrix[:2, 3]
    return (points.flip(1) @ linear.T + shift).flip(1)


def world_to_normalized(points_mm: Any, image: Any) -> torch.Tensor:
    """Convert points (N, 2) from mm to fractions of an image's width and height.

    Pixel (row i, column j) of an H x W image has its centre at x = (j + 0.5) / W, y = (i + 0.5) / H.

    Args:
        points_mm: (N, 2), x then y.
        image: MetaTensor (1, H, W) whose affine takes (row, column) to mm.

    Returns:
        (N, 2) float32; inside the image in [0, 1).

    Example:
        >>> import torch
        >>> from monai.data import MetaTensor
        >>> image = MetaTensor(torch.zeros(1, 100, 50), affine=torch.diag(torch.tensor([0.3, 0.3, 1.0, 1.0])))
        >>> world_to_normalized([[0.0, 0.0], [7.35, 14.85]], image)
        tensor([[0.0100, 0.0050],
                [0.5000, 0.5000]])
    """
    affine = torch.as_tensor(image.affine, dtype=torch.float64).cpu()
    index = _apply_affine(torch.linalg.inv(affine), torch.as_tensor(points_mm, dtype=torch.float64))
    size = torch.tensor([image.shape[-1], image.shape[-2]], dtype=torch.float64)
    return ((index + 0.5) / size).float()


def normalized_to_world(points: Any, image: Any) -> torch.Tensor:
    """Convert points from fractions of an image's width and height to mm, the way back of :func:`world_to_normalized`.

    Args:
        points: (N, 2), x then y.
        image: MetaTensor (1, H, W) whose affine takes (row, column) to mm.

    Returns:
        (N, 2) float64 in mm.
    """
    affine = torch.as_tensor(image.affine, dtype=torch.float64).cpu()
    size = torch.tensor([image.shape[-1], image.shape[-2]], dtype=torch.float64)
    return _apply_affine(affine, torch.as_tensor(points, dtype=torch.float64).cpu() * size - 0.5)


class WorldToNormalizedd(MapTransform):
    """Dictionary version of :func:`world_to_normalized`.

    Args:
        keys: of points (N, 2) in mm.
        image_key: the image whose width and height the fractions are of.
        allow_missing_keys: do not raise where a key is missing.

    Example:
        >>> import torch
        >>> from monai.data import MetaTensor
        >>> data = {"image": MetaTensor(torch.zeros(1, 100, 200)), "landmarks": torch.tensor([[99.5, 24.5]])}
        >>> WorldToNormalizedd("landmarks")(data)["landmarks"]
        tensor([[0.5000, 0.2500]])
    """

    def __init__(self, keys: KeysCollection, image_key: str = "image", allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.image_key = image_key

    def __call__(self, data: Mapping[Any, Any]) -> dict[Any, Any]:
        """Convert the points."""
        d = dict(data)
        for key in self.key_iterator(d):
            d[key] = world_to_normalized(d[key], d[self.image_key])
        return d


class NormalizedToWorldd(MapTransform):
    """Dictionary version of :func:`normalized_to_world`.

    Args:
        keys: of points (N, 2) as fractions; a third column, such as a confidence, passes unchanged.
        image_key: the image whose width and height the fractions are of.
        allow_missing_keys: do not raise where a key is missing.

    Example:
        >>> import torch
        >>> from monai.data import MetaTensor
        >>> data = {"image": MetaTensor(torch.zeros(1, 100, 200)), "pred": torch.tensor([[0.5, 0.25, 0.5]])}
        >>> NormalizedToWorldd("pred")(data)["pred"]
        tensor([[99.5000, 24.5000,  0.5000]], dtype=torch.float64)
    """

    def __init__(self, keys: KeysCollection, image_key: str = "image", allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.image_key = image_key

    def __call__(self, data: Mapping[Any, Any]) -> dict[Any, Any]:
        """Convert the points."""
        d = dict(data)
        for key in self.key_iterator(d):
            value = torch.as_tensor(d[key]).detach().cpu()
            world = normalized_to_world(value[:, :2], d[self.image_key])
            d[key] = torch.cat([world, value[:, 2:].double()], dim=1)
        return d


class PixelsToWorldd(MapTransform):
    """Convert points from pixels of an image to mm, through its affine.

    Args:
        keys: of points (N, 2), x and y, pixel centres at integers; they become float64.
        image_key: the image.
        allow_missing_keys: do not raise where a key is missing.
    """

    def __init__(self, keys: KeysCollection, image_key: str = "image", allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.image_key = image_key

    def __call__(self, data: Mapping[Any, Any]) -> dict[Any, Any]:
        """Convert the points."""
        d = dict(data)
        affine = torch.as_tensor(d[self.image_key].affine, dtype=torch.float64).cpu()
        for key in self.key_iterator(d):
            d[key] = _apply_affine(affine, torch.as_tensor(d[key], dtype=torch.float64))
        return d
