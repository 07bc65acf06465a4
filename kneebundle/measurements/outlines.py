"""The outline of a bone in a map of its probability, to a part of a pixel."""

from __future__ import annotations

import numpy as np
from contourpy import LineType, contour_generator
from scipy import ndimage

__all__ = ["bone_outline", "largest_part", "value_at"]


def largest_part(probability: np.ndarray, level: float = 0.5) -> np.ndarray:
    """(H, W) bool: the largest connected part of what reaches ``level``; nothing where nothing does."""
    parts, count = ndimage.label(probability >= level)
    if count == 0:
        return np.zeros(probability.shape, dtype=bool)
    return parts == 1 + int(np.argmax(np.bincount(parts.ravel())[1:]))


def bone_outline(probability: np.ndarray, level: float = 0.5) -> np.ndarray:
    """Points of the outline of the largest part, by marching squares: one on each edge between two pixels that it crosses.

    Where the part reaches the map's border it is cut there, and has no outline.

    Args:
        probability: (H, W), or a mask.
        level: where the outline lies.

    Returns:
        (N, 2) x, y in pixels; N = 0 where there is no part.
    """
    part = ndimage.binary_dilation(largest_part(probability, level))
    values = np.where(part, probability, 0.0).astype(np.float64)
    lines = contour_generator(z=values, line_type=LineType.Separate).lines(level)
    return np.concatenate([np.zeros((0, 2)), *lines])


def value_at(image: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(N,) values of an image (H, W) at points (N, 2) x, y, between pixels bilinear; beyond the border 0."""
    return ndimage.map_coordinates(image.astype(np.float64), points.T[::-1], order=1, mode="constant")
