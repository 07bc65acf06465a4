"""Resample by ITK onto a grid that may be turned, scaled and mirrored, without aliases.

:func:`kneebundle.transforms.resample_grid` does this for grids that are parallel to their image.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

__all__ = ["resample_affine"]


def resample_affine(pixels: np.ndarray, matrix: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resample an image onto another grid, in one interpolation.

    Linear interpolation. Along an axis of the image that gets coarser, a Gaussian low-pass comes first whose width
    takes a point of the old spacing to one of the new, so that fine texture does not turn into coarse texture.

    Args:
        pixels: (H, W).
        matrix: (3, 3), takes a pixel (x, y, 1) of the grid to pixels of the image; its scale is the same in both
            directions of the grid.
        size: of the grid, (rows, columns).

    Returns:
        (rows, columns) float32; NaN more than half a pixel outside the image.

    Example:
        >>> import numpy as np
        >>> turned = np.array([[0.0, -1.0, 2.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
        >>> resample_affine(np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), turned, (3, 2)).tolist()
        [[3.0, 6.0], [2.0, 5.0], [1.0, 4.0]]
    """
    import itk

    matrix = np.asarray(matrix, dtype=np.float64)
    step = np.hypot(matrix[:2, 0], matrix[:2, 1])[::-1]  # pixels of the image a pixel of the grid, (row, column)
    sigma = 0.5 * np.sqrt(np.maximum(step**2 - 1.0, 0.0))

    # only the part under the grid is worth the filter
    rows, columns = size
    corners = np.array([[x, y, 1.0] for x in (0, columns) for y in (0, rows)])
    reached = (matrix @ corners.T)[1::-1]
    margin = np.ceil(4 * sigma).astype(int)
    low = np.maximum(np.floor(reached.min(axis=1)).astype(int) - margin, 0)
    high = np.minimum(np.ceil(reached.max(axis=1)).astype(int) + margin + 1, pixels.shape)
    if (high <= low).any():
        return np.full(size, np.nan, dtype=np.float32)
    part = np.asarray(pixels[low[0] : high[0], low[1] : high[1]], dtype=np.float32)
    image = itk.Image[itk.F, 2].New()  # not image_from_array, which takes a single column for a row
    image.SetRegions([int(length) for length in part.shape[::-1]])
    image.Allocate()
    itk.array_view_from_image(image)[:] = gaussian_filter(part, sigma, mode="nearest")

    place = itk.AffineTransform[itk.D, 2].New()
    place.SetMatrix(itk.matrix_from_array(np.ascontiguousarray(matrix[:2, :2])))
    place.SetTranslation([float(matrix[0, 2] - low[1]), float(matrix[1, 2] - low[0])])
    resampled = itk.resample_image_filter(
        image,
        transform=place,
        interpolator=itk.LinearInterpolateImageFunction.New(image),
        size=[int(columns), int(rows)],
        output_spacing=[1.0, 1.0],
        output_origin=[0.0, 0.0],
        default_pixel_value=float("nan"),
    )
    return np.array(itk.array_from_image(resampled), dtype=np.float32)
