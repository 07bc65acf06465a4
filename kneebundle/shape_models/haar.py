"""Haar-like features: differences of the mean grey values of two boxes, from an integral image.

Viola and Jones, "Rapid object detection using a boosted cascade of simple features", CVPR 2001.
"""

from __future__ import annotations

import numpy as np

__all__ = ["draw_boxes", "integrate", "measure_boxes"]

_GREY = 40.0
_FINE = 8.0


def draw_boxes(rng: np.random.Generator, count: int, half: int) -> np.ndarray:
    """Draw pairs of boxes: two halves of a rectangle, a rectangle and its middle third, or two apart.

    Args:
        rng: what is drawn from.
        count: number of pairs.
        half: boxes reach at most so many pixels from the point that they are about.

    Returns:
        (count, 8) int16: x0, y0, x1, y1 of the first box and of the second, relative to the point, ends exclusive.
    """
    pairs = np.empty((count, 8), dtype=np.int16)
    for number in range(count):
        width, height = (int(n) for n in np.exp(rng.uniform(np.log(2), np.log(2 * half), 2)))
        x, y = int(rng.integers(-half, half - width + 2)), int(rng.integers(-half, half - height + 2))
        first = second = (x, y, x + width, y + height)
        kind = rng.integers(5)
        if kind == 0:
            first, second = (x, y, x + width // 2, y + height), (x + width // 2, y, x + width, y + height)
        elif kind == 1:
            first, second = (x, y, x + width, y + height // 2), (x, y + height // 2, x + width, y + height)
        elif kind == 2 and width > 2:
            second = (x + width // 3, y, x + width - width // 3, y + height)
        elif kind == 3 and height > 2:
            second = (x, y + height // 3, x + width, y + height - height // 3)
        else:
            u, v = int(rng.integers(-half, half - width + 2)), int(rng.integers(-half, half - height + 2))
            second = (u, v, u + width, v + height)
        pairs[number] = (*first, *second)
    return pairs


def integrate(pixels: np.ndarray) -> np.ndarray:
    """Compute the integral image of (H, W) pixels: (H + 1, W + 1) int32 of their 40-fold, rounded."""
    integral = np.zeros((pixels.shape[0] + 1, pixels.shape[1] + 1), dtype=np.int32)
    integral[1:, 1:] = np.rint(pixels * _GREY).astype(np.int32).cumsum(0).cumsum(1)
    return integral


def measure_boxes(integral: np.ndarray, x: np.ndarray, y: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Measure features: mean of the first box minus mean of the second, whole numbers.

    Args:
        integral: of :func:`integrate`; boxes are cut at its border.
        x: (...) columns of the points.
        y: (...) rows.
        boxes: (..., 8) of :func:`draw_boxes`.

    Returns:
        (...) int16; 8 x 40 of them are one unit of grey.

    Example:
        >>> dark_and_light = np.repeat([[0.0, 1.0]], 4, axis=1).repeat(8, axis=0)
        >>> halves = np.array([-4, -4, 0, 4, 0, -4, 4, 4])
        >>> int(measure_boxes(integrate(dark_and_light), np.array(4), np.array(4), halves))
        -320
    """
    rows, columns = integral.shape
    flat = integral.ravel()
    means = []
    for corner in (0, 4):
        left = np.clip(x + boxes[..., corner], 0, columns - 2)
        top = np.clip(y + boxes[..., corner + 1], 0, rows - 2)
        right = np.maximum(np.minimum(x + boxes[..., corner + 2], columns - 1), left + 1)
        bottom = np.maximum(np.minimum(y + boxes[..., corner + 3], rows - 1), top + 1)
        upper, lower = top * columns, bottom * columns
        total = flat[lower + right] - flat[upper + right] - flat[lower + left] + flat[upper + left]
        means.append(total / ((right - left) * (bottom - top)))
    return np.rint((means[0] - means[1]) * _FINE).astype(np.int16)
