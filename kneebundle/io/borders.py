"""Edges of a film that show nothing."""

from __future__ import annotations

import numpy as np

__all__ = ["uniform_borders"]


def uniform_borders(pixels: np.ndarray) -> tuple[int, int, int, int]:
    """Width in pixels of the uniform edge at the top, bottom, left and right of (rows, columns).

    A row or column is uniform if its grey values span less than 1 % of the image's: collimation that was burnt in, a
    shutter, padding.
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
