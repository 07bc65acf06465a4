"""Edges of an image that show nothing."""

from __future__ import annotations

import numpy as np

__all__ = ["find_uniform_borders"]


def find_uniform_borders(pixels: np.ndarray) -> tuple[int, int, int, int]:
    """Find the edges of an image that are uniform: collimation that was burnt in, a shutter, padding.

    A row or column is uniform if its grey values span less than 1 % of those of the image.

    Args:
        pixels: (rows, columns).

    Returns:
        Widths in pixels at the top, bottom, left and right.

    Example:
        >>> import numpy as np
        >>> find_uniform_borders(np.pad(np.eye(4), ((2, 0), (0, 1))))
        (2, 0, 0, 1)
    """
    tolerance = 0.01 * float(np.ptp(pixels))
    varied_rows = np.flatnonzero(np.ptp(pixels, axis=1) > tolerance)
    if varied_rows.size == 0:
        return pixels.shape[0], 0, pixels.shape[1], 0
    top, bottom = int(varied_rows[0]), int(pixels.shape[0] - 1 - varied_rows[-1])
    varied_columns = np.flatnonzero(np.ptp(pixels[top : pixels.shape[0] - bottom], axis=0) > tolerance)
    if varied_columns.size == 0:
        return top, bottom, pixels.shape[1], 0
    return top, bottom, int(varied_columns[0]), int(pixels.shape[1] - 1 - varied_columns[-1])
