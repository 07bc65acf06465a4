"""Similarity transforms of square images: the fit into a square, the warp, and random perturbations."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform
from torch.nn import functional

from kneebundle.networks.similarity import similarity_matrix
from kneebundle.transforms.resample import pixel_spacing
from kneebundle.transforms.roi import crop_roi, image_center_mm

__all__ = ["PerturbSimilarityd", "FitToSquared", "fit_to_square", "warp_image"]


def fit_to_square(image: MetaTensor, pixels: int = 224) -> MetaTensor:
    """Put the whole image into the middle of a square as large as its longer side.

    :func:`~kneebundle.transforms.fit_to_size` does this for any grid, but puts an image of the right spacing onto whole
    pixels; here the middle stays the middle to a fraction of a pixel.

    Args:
        image: (1, H, W), its axes parallel to those of the world.
        pixels: edge of the square.

    Returns:
        (1, pixels, pixels), NaN beyond the image.
    """
    row_mm, column_mm = pixel_spacing(image)
    edge_mm = max(image.shape[1] * row_mm, image.shape[2] * column_mm)
    return crop_roi(image, image_center_mm(image), edge_mm, edge_mm / pixels)


def warp_image(image: MetaTensor, matrix: torch.Tensor, pixels: int | None = None) -> MetaTensor:
    """Cut a patch out of an image by an affine map, u(theta) of Tiirola 2023.

    Linear between pixels; beyond the border its pixels are repeated.

    Args:
        image: (1, H, W).
        matrix: (2, 3), from the patch to the image, both in [-1, 1] with align_corners=False, x then y.
        pixels: edge of the patch; None: as the image.

    Returns:
        (1, pixels, pixels) float32, its affine in the world of ``image``.
    """
    size = image.shape[1:] if pixels is None else (pixels, pixels)
    plain = torch.as_tensor(image).as_subclass(torch.Tensor).float()[None]
    grid = functional.affine_grid(matrix.to(plain).unsqueeze(0), [1, 1, *size], align_corners=False)
    patch = functional.grid_sample(plain, grid, padding_mode="border", align_corners=False)[0]
    swapped = torch.eye(4, dtype=torch.float64)  # the same map over (row, column)
    swapped[:2, :2] = matrix.double().cpu()[:, :2].flip(0, 1)
    swapped[:2, 3] = matrix.double().cpu()[:, 2].flip(0)
    to_index = torch.linalg.inv(_index_to_unit(*image.shape[1:])) @ swapped @ _index_to_unit(*size)
    affine = torch.as_tensor(image.affine, dtype=torch.float64) @ to_index
    return MetaTensor(patch, meta={**image.meta, "affine": affine})


def _index_to_unit(rows: int, columns: int) -> torch.Tensor:
    """4 x 4 that takes (row, column) of pixel centres to [-1, 1]."""
    matrix = torch.diag(torch.tensor([2.0 / rows, 2.0 / columns, 1.0, 1.0], dtype=torch.float64))
    matrix[0, 3], matrix[1, 3] = 1.0 / rows - 1.0, 1.0 / columns - 1.0
    return matrix


class FitToSquared(MapTransform):
    """Dictionary version of :func:`fit_to_square`.

    Args:
        keys: of MetaTensors (1, H, W).
        pixels: edge of the square.
        allow_missing_keys: do not raise where a key is missing.
    """

    def __init__(self, keys: KeysCollection, pixels: int = 224, allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.pixels = int(pixels)

    def __call__(self, data: Mapping[Any, Any]) -> dict[Any, Any]:
        """Fit the images into their squares."""
        d = dict(data)
        for key in self.key_iterator(d):
            d[key] = fit_to_square(d[key], self.pixels)
        return d


class PerturbSimilarityd(MapTransform):
    """Cut a patch by a random similarity that depends on ``path`` and the seed alone, to make a crop rougher.

    Args:
        keys: of square MetaTensors (1, S, S), finite throughout.
        scale: least and greatest size of the patch, as a fraction of the image; uniform.
        shift: greatest shift along each axis, as a fraction of the image's edge; uniform.
        rotation: greatest rotation in rad, to either side; uniform.
        seed: of the drawing.
        allow_missing_keys: do not raise where a key is missing.

    Example:
        >>> import torch
        >>> from monai.data import MetaTensor
        >>> item = {"image": MetaTensor(torch.arange(1024.0).reshape(1, 32, 32)), "path": "knees/a.png"}
        >>> first, second = PerturbSimilarityd("image", seed=1)(item), PerturbSimilarityd("image", seed=1)(item)
        >>> torch.equal(first["image"], second["image"])
        True
    """

    def __init__(
        self,
        keys: KeysCollection,
        scale: tuple[float, float] = (0.85, 1.2),
        shift: float = 0.15,
        rotation: float = 0.1,
        seed: int = 0,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.scale = (float(scale[0]), float(scale[1]))
        self.shift, self.rotation = float(shift), float(rotation)
        self.seed = int(seed)

    def __call__(self, data: Mapping[Any, Any]) -> dict[Any, Any]:
        """Cut the same patch out of all images.

        Raises:
            ValueError: if an image is not square.
        """
        d = dict(data)
        name = str(d.get("path", "")).replace("\\", "/").rpartition("/")[2]
        draw = np.random.default_rng([self.seed, zlib.crc32(name.encode())])
        scale = draw.uniform(*self.scale)
        shift = draw.uniform(-2 * self.shift, 2 * self.shift, 2)
        theta = torch.tensor([scale, *shift, draw.uniform(-self.rotation, self.rotation)], dtype=torch.float64)
        for key in self.key_iterator(d):
            if not math.isclose(d[key].shape[1], d[key].shape[2]):
                raise ValueError(f"a similarity of [-1, 1] needs a square image, got {tuple(d[key].shape)}")
            d[key] = warp_image(d[key], similarity_matrix(theta))
        return d
