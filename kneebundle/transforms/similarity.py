"""Similarity transforms of square images whose affine keeps count: the square itself, the warp, and drawn perturbations."""

from __future__ import annotations

import math
import zlib
from collections.abc import Hashable, Mapping
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

__all__ = ["PerturbSimilarityd", "SquareImaged", "square_image", "warp_image"]


def square_image(image: MetaTensor, pixels: int = 224) -> MetaTensor:
    """The whole image in the middle of a square as large as its longer side.

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
    """u(theta): the patch of an image that an affine map cuts out, linear between pixels; border pixels go on beyond the border.

    Args:
        image: (1, H, W).
        matrix: (2, 3), from the patch to the image, both in [-1, 1] with align_corners=False, x then y.
        pixels: edge of the patch; None: as the image.

    Returns:
        (1, pixels, pixels) float32, its affine in the world of ``image``.
    """
    size = image.shape[1:] if pixels is None else (pixels, pixels)
    plain = torch.as_tensor(image).as_subclass(torch.Tensor).float().unsqueeze(0)
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


class SquareImaged(MapTransform):
    """Dictionary version of :func:`square_image`."""

    def __init__(self, keys: KeysCollection, pixels: int = 224, allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.pixels = int(pixels)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        for key in self.key_iterator(d):
            d[key] = square_image(d[key], self.pixels)
        return d


class PerturbSimilarityd(MapTransform):
    """Cut a patch by a similarity that depends on ``path`` and the seed alone: a crop as rough as is asked for.

    Args:
        keys: of square MetaTensors (1, S, S), finite throughout.
        scale: least and greatest size of the patch, as a fraction of the image; uniform.
        shift: greatest shift along each axis, as a fraction of the image's edge; uniform.
        rotation: greatest rotation in rad, to either side; uniform.
        seed: of the drawing.
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

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        name = str(d.get("path", "")).replace("\\", "/").rsplit("/", 1)[-1]
        draw = np.random.default_rng([self.seed, zlib.crc32(name.encode())])
        scale = draw.uniform(*self.scale)
        shift = draw.uniform(-2 * self.shift, 2 * self.shift, 2)
        theta = torch.tensor([scale, *shift, draw.uniform(-self.rotation, self.rotation)], dtype=torch.float64)
        for key in self.key_iterator(d):
            if not math.isclose(d[key].shape[1], d[key].shape[2]):
                raise ValueError(f"a similarity of [-1, 1] needs a square image, got {tuple(d[key].shape)}")
            d[key] = warp_image(d[key], similarity_matrix(theta))
        return d
