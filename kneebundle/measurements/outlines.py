"""The outline of a bone in a map of its probability, to a part of a pixel."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

__all__ = ["trace_outline", "keep_largest_part", "sample_image"]


def keep_largest_part(probability: np.ndarray, level: float = 0.5) -> np.ndarray:
    """Keep the largest connected part of what reaches a level; pixels that touch at a corner only are not connected.

    Args:
        probability: (H, W), or a mask.
        level: what belongs to a part reaches it.

    Returns:
        (H, W) bool; False everywhere if nothing reaches the level.

    Example:
        >>> import numpy as np
        >>> keep_largest_part(np.array([[0.9, 0.0, 0.7, 0.8]])).tolist()
        [[False, False, True, True]]
    """
    parts, _ = ndimage.label(probability >= level)
    sizes = np.bincount(parts.ravel())[1:]
    return parts == 1 + np.argmax(sizes) if len(sizes) else np.zeros(parts.shape, dtype=bool)


def trace_outline(probability: np.ndarray, level: float = 0.5) -> np.ndarray:
    """Trace the outline of the largest part by marching squares.

    There is a point on each edge between two pixels that the outline crosses. Where the part reaches the map's border
    it is cut there, and has no outline.

    Args:
        probability: (H, W), or a mask.
        level: where the outline lies.

    Returns:
        (N, 2) x, y in pixels; N = 0 where there is no part.

    Example:
        >>> import numpy as np
        >>> mask = np.zeros((3, 4))
        >>> mask[1, 1:3] = 1
        >>> sorted(set(map(tuple, trace_outline(mask).tolist())))
        [(0.5, 1.0), (1.0, 0.5), (1.0, 1.5), (2.0, 0.5), (2.0, 1.5), (2.5, 1.0)]
    """
    from skimage.measure import find_contours

    part = ndimage.binary_dilation(keep_largest_part(probability, level))
    values = np.where(part, probability, 0.0).astype(np.float64)
    lines = find_contours(values, level)
    return np.concatenate([np.zeros((0, 2)), *lines])[:, ::-1]


def sample_image(image: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Sample an image (H, W) at points (N, 2) x, y: (N,), bilinear between pixels, 0 beyond the border."""
    return ndimage.map_coordinates(image.astype(np.float64), points.T[::-1], order=1, mode="constant")
