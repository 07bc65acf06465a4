"""Cut out a region of interest and resample it in the same step (KNEEL section 4.3: 140 x 140 mm at 0.3 mm)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform

from kneebundle.transforms.fill import fill_outside
from kneebundle.transforms.grid_size import count_pixels
from kneebundle.transforms.resample import resample_grid

__all__ = ["CropROId", "crop_roi", "image_center_mm"]


def image_center_mm(image: MetaTensor) -> np.ndarray:
    """Find the middle of a (1, H, W) image in mm, (x, y)."""
    index = torch.tensor([(image.shape[1] - 1) / 2, (image.shape[2] - 1) / 2, 0.0, 1.0], dtype=torch.float64)
    row, column = (torch.as_tensor(image.affine, dtype=torch.float64) @ index)[:2].tolist()
    return np.array([column, row])


def crop_roi(
    image: MetaTensor,
    center_mm: tuple[float, float] | np.ndarray,
    size_mm: float | tuple[float, float] = 140.0,
    spacing_mm: float = 0.3,
    mode: str = "nan",
) -> MetaTensor:
    """Cut a region around a point and resample it, in one interpolation.

    Args:
        image: (1, H, W), its axes parallel to those of the world (not yet mirrored).
        center_mm: the point, (x, y) in mm; it comes to lie in the middle of the region, to a fraction of a pixel.
        size_mm: edge of the square region, or (height, width).
        spacing_mm: size of its pixels.
        mode: what lies outside the radiograph: ``"nan"`` (to be filled later), ``"zeros"`` or ``"reflect"``.

    Returns:
        (1, round(height / spacing_mm), round(width / spacing_mm)) float32, its affine in the world of ``image``.

    Raises:
        KneeBundleError: if the region would have none or very many pixels.
    """
    height, width = (size_mm, size_mm) if isinstance(size_mm, (int, float)) else size_mm
    rows, columns = count_pixels((height, width), (spacing_mm, spacing_mm), "the region")
    x, y = (float(v) for v in center_mm)
    first = [y - (rows - 1) / 2 * spacing_mm, x - (columns - 1) / 2 * spacing_mm, 0.0, 1.0]
    to_index = torch.linalg.inv(torch.as_tensor(image.affine, dtype=torch.float64))
    row, column = (to_index @ torch.tensor(first, dtype=torch.float64))[:2].tolist()
    region = resample_grid(image, (row, column), (spacing_mm, spacing_mm), (rows, columns))
    return region if mode == "nan" else fill_outside(region, mode)


class CropROId(MapTransform):
    """Dictionary version of :func:`crop_roi`.

    Args:
        keys: of MetaTensors (1, H, W).
        center_key: where the centre stands, (x, y) in mm; where the data has no such key, the middle of the image is
            taken.
        size_mm: edge of the square region, or (height, width).
        spacing_mm: size of its pixels.
        mode: as in :func:`crop_roi`.
        allow_missing_keys: do not raise where a key is missing.

    Example:
        >>> import torch
        >>> from monai.data import MetaTensor
        >>> crop = CropROId("image", size_mm=140.0, spacing_mm=1.0, mode="zeros")
        >>> image = crop({"image": MetaTensor(torch.ones(1, 300, 200)), "center_mm": (70.0, 150.0)})["image"]
        >>> image.shape, image.affine[:2, 3].tolist()
        (torch.Size([1, 140, 140]), [80.5, 0.5])
    """

    def __init__(
        self,
        keys: KeysCollection,
        center_key: str = "center_mm",
        size_mm: float | tuple[float, float] = 140.0,
        spacing_mm: float = 0.3,
        mode: str = "nan",
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.center_key = center_key
        self.size_mm = size_mm
        self.spacing_mm = float(spacing_mm)
        self.mode = mode

    def __call__(self, data: Mapping[Any, Any]) -> dict[Any, Any]:
        """Cut the regions out of the images."""
        d = dict(data)
        for key in self.key_iterator(d):
            center = d[self.center_key] if self.center_key in d else image_center_mm(d[key])
            d[key] = crop_roi(d[key], center, self.size_mm, self.spacing_mm, self.mode)
        return d
