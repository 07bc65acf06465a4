"""Resample with ITK's low-pass, with half pixels accounted for and without aliases.

The grids here are parallel to their images. Low-pass and linear interpolation are then both products with a sparse
matrix, one for the rows and one for the columns, and are worked out for the points of the grid alone. This gives what
ITK's DiscreteGaussianImageFilter and ResampleImageFilter give one after the other, in a tenth of the time; the
coefficients of the low-pass are those of ITK's GaussianOperator.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
import torch
from monai.data import MetaTensor
from scipy import sparse

from kneebundle.transforms.grid_size import count_pixels

__all__ = ["pixel_spacing", "resample_grid", "resample_to_spacing"]

_WIDEST = 65
"""Coefficients of a low-pass to either side."""


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
    old = pixel_spacing(image)
    step = np.array(spacing_mm, dtype=np.float64) / np.array(old)
    pixels = np.asarray(image.as_tensor()[0].cpu().numpy(), dtype=np.float32)
    rows, columns = (_weigh(start[axis], float(step[axis]), size[axis], pixels.shape[axis]) for axis in (0, 1))
    resampled = np.full(size, np.nan, dtype=np.float32)
    part = pixels[rows.used, columns.used]
    resampled[rows.inside, columns.inside] = (columns.weights @ (rows.weights @ part).T).T
    to_old = torch.eye(4, dtype=torch.float64)
    for axis in (0, 1):
        to_old[axis, axis] = step[axis]
        to_old[axis, 3] = start[axis]
    affine = torch.as_tensor(image.affine, dtype=torch.float64) @ to_old
    return MetaTensor(torch.from_numpy(resampled)[None], meta={**image.meta, "affine": affine})


class _Weights(NamedTuple):
    """How points along an axis come from pixels.

    Attributes:
        inside: the points that are not outside the image.
        used: the pixels that they come from.
        weights: (inside, used), float32.
    """

    inside: slice
    used: slice
    weights: sparse.csr_array


def _weigh(start: float, step: float, size: int, length: int) -> _Weights:
    """Weigh ``length`` pixels for ``size`` points from ``start`` on, ``step`` apart; edge values continue beyond."""
    points = start + step * np.arange(size)
    inside = np.flatnonzero((points >= -0.5) & (points < length - 0.5))
    if not len(inside):
        return _Weights(slice(0), slice(0), sparse.csr_array((0, 0), dtype=np.float32))
    points = points[inside]
    kernel = _gaussian(0.25 * (step**2 - 1.0)) if step > 1.0 else np.ones(1)
    below = np.floor(points)
    share = (points - below)[:, None]
    # a point between two pixels: the kernel around the one, and around the next
    taps = np.concatenate([kernel, [0.0]]) * (1.0 - share) + np.concatenate([[0.0], kernel]) * share
    # ITK interpolates between the smoothed pixels of the image alone
    is_beyond = (below < 0) | (below >= length - 1)
    taps[is_beyond] = np.concatenate([kernel, [0.0]])
    below = np.maximum(below, 0.0)
    indices = (below[:, None] + np.arange(len(kernel) + 1) - len(kernel) // 2).clip(0, length - 1).astype(np.int32)
    first, last = int(indices.min()), int(indices.max())
    pointers = np.arange(len(points) + 1, dtype=np.int32) * indices.shape[1]
    weights = sparse.csr_array(
        (taps.astype(np.float32).ravel(), (indices - first).ravel(), pointers), shape=(len(points), last - first + 1)
    )
    return _Weights(slice(int(inside[0]), int(inside[-1]) + 1), slice(first, last + 1), weights)


@functools.lru_cache
def _gaussian(variance: float) -> np.ndarray:
    """The coefficients (2 r + 1,) of ITK's discrete Gaussian of that variance in pixels."""
    # this module alone: what the package ``itk`` offers by name takes seconds to load
    from itk.itkGaussianOperatorPython import itkGaussianOperatorD2

    operator = itkGaussianOperatorD2()
    operator.SetVariance(variance)
    operator.SetMaximumError(0.01)
    operator.SetMaximumKernelWidth(_WIDEST)
    operator.CreateDirectional()
    kernel = np.array([operator.GetElement(place) for place in range(operator.Size())])
    if np.isfinite(kernel).all():
        return kernel
    # a variance over 709, with which ITK's Bessel functions overflow: the same by scipy's
    from scipy.special import ive

    kernel = ive(np.arange(-_WIDEST, _WIDEST + 1), variance)
    return kernel / kernel.sum()


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
        KneeBundleError: where the wanted spacing leaves less than one pixel, or makes very many.
    """
    old = np.array(pixel_spacing(image))
    new = np.array(spacing_mm, dtype=np.float64)
    field = np.array(image.shape[1:]) * old
    size = count_pixels(tuple(field.tolist()), tuple(new.tolist()), "the image")
    start = 0.5 * new / old - 0.5
    return resample_grid(image, tuple(start.tolist()), tuple(new.tolist()), size)
