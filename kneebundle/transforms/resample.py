"""Resample by ITK, with half pixels accounted for and without aliases."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor

from kneebundle.errors import KneeBundleError

__all__ = ["pixel_spacing", "resample_grid", "resample_to_spacing"]


def pixel_spacing(image: MetaTensor) -> tuple[float, float]:
    """Read the size in mm of a pixel of a (1, H, W) image, (row, column), from its affine.

    Example:
        >>> import torch
        >>> from monai.data import MetaTensor
        >>> pixel_spacing(MetaTensor(torch.zeros(1, 4, 4), affine=torch.diag(torch.tensor([0.25, 0.5, 1.0, 1.0]))))
        (0.25, 0.5)
    """
    affine = np.asarray(image.affine, dtype=np.float64)
    row, column = np.linalg.norm(affine[:2, :2], axis=0)
    return float(row), float(column)


def resample_grid(
    image: MetaTensor, start: tuple[float, float], spacing_mm: tuple[float, float], size: tuple[int, int]
) -> MetaTensor:
    """Resample an image onto a grid parallel to it.

    Linear interpolation. Along an axis that gets coarser, a Gaussian low-pass comes first whose width takes a point of
    the old spacing to one of the new, so that fine texture does not turn into coarse texture. Grid points more than
    half a pixel outside the image are NaN.

    Args:
        image: (1, H, W).
        start: index (row, column), fractions allowed, in ``image`` of the centre of the grid's first pixel.
        spacing_mm: of the grid, (row, column).
        size: of the grid, (rows, columns).

    Returns:
        (1, rows, columns) float32, its affine in the same world as that of ``image``.
    """
    import itk

    old = pixel_spacing(image)
    step = np.array(spacing_mm, dtype=np.float64) / np.array(old)
    pixels = np.ascontiguousarray(image.as_tensor()[0].cpu().numpy(), dtype=np.float32)

    # Only the part under the grid is worth the filter.
    sigma = 0.5 * np.sqrt(np.maximum(step**2 - 1.0, 0.0))
    margin = np.ceil(3 * sigma).astype(int) + 2
    low = np.maximum(np.floor(start).astype(int) - margin, 0)
    high = np.ceil(np.array(start) + step * (np.array(size) - 1)).astype(int) + margin + 1
    high = np.minimum(high, pixels.shape)
    if (high <= low).any():
        resampled = np.full(size, np.nan, dtype=np.float32)
    else:
        part = itk.image_from_array(np.ascontiguousarray(pixels[low[0] : high[0], low[1] : high[1]]))
        if (sigma > 0).any():
            part = _smooth(part, sigma)
        resampled = itk.array_from_image(
            itk.resample_image_filter(
                part,
                interpolator=itk.LinearInterpolateImageFunction.New(part),
                size=[int(size[1]), int(size[0])],
                output_spacing=[float(step[1]), float(step[0])],
                output_origin=[float(start[1] - low[1]), float(start[0] - low[0])],
                default_pixel_value=float("nan"),
            )
        )
    to_old = torch.eye(4, dtype=torch.float64)
    for axis in (0, 1):
        to_old[axis, axis] = step[axis]
        to_old[axis, 3] = start[axis]
    affine = torch.as_tensor(image.affine, dtype=torch.float64) @ to_old
    region = torch.from_numpy(np.array(resampled, dtype=np.float32))[None]
    return MetaTensor(region, meta={**image.meta, "affine": affine})


def _smooth(image: Any, sigma: np.ndarray) -> Any:
    """Apply a Gaussian low-pass with sigma (row, column) in pixels; edge values continue beyond the border."""
    import itk

    variance = [float(sigma[1] ** 2), float(sigma[0] ** 2)]
    return itk.discrete_gaussian_image_filter(
        image, variance=variance, maximum_kernel_width=65, use_image_spacing=False
    )


def resample_to_spacing(image: MetaTensor, spacing_mm: tuple[float, float]) -> MetaTensor:
    """Resample a whole image to a spacing.

    The new image covers the field of the old one, from border to border and not from pixel centre to pixel centre, so
    the first pixel's centre moves by half the difference of the spacings.

    Args:
        image: (1, H, W).
        spacing_mm: wanted size of a pixel, (row, column).

    Returns:
        (1, H', W') float32 whose affine leads to the same mm.

    Raises:
        KneeBundleError: where the wanted spacing leaves less than one pixel.
    """
    old = np.array(pixel_spacing(image))
    new = np.array(spacing_mm, dtype=np.float64)
    size = np.round(np.array(image.shape[1:]) * old / new).astype(int)
    if (size < 1).any():
        raise KneeBundleError(
            f"an image of {image.shape[1]} x {image.shape[2]} pixels is smaller than one pixel of {spacing_mm} mm"
        )
    start = 0.5 * new / old - 0.5
    return resample_grid(
        image, (float(start[0]), float(start[1])), (float(new[0]), float(new[1])), (int(size[0]), int(size[1]))
    )
