"""A straight line through points, whichever way it runs.

scikit-image's RANSAC draws its samples; repeated medians give the same line every time. The least squares are those of
its `LineModelND`, whose interface changed with version 0.26.
"""

from __future__ import annotations

import numpy as np

__all__ = ["fit_line"]

NEAR_DEVIATIONS = 3.0
"""A point belongs to a line that it lies this near to, in standard deviations that the median distance stands for."""
LEAST_NEAR_MM = 0.2
"""The same where hardly any point lies off the line."""
_ROUNDS = 3


def fit_line(points: np.ndarray, robust: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Fit the line that points lie along.

    Args:
        points: (N, 2) in mm, at least two different ones.
        robust: take only the points near the line of repeated medians (Siegel 1982), which up to half of all points
            cannot spoil; False: take all of them.

    Returns:
        A point of the line and its direction, of length 1 and of either sign, (2,) each: that with the least squares of
        the distances at right angles to it.

    Example:
        >>> import numpy as np
        >>> points = np.array([[0.0, 0.0], [1.0, 0.0], [2.0, 0.0], [3.0, 0.0], [4.0, 5.0]])
        >>> _, direction = fit_line(points)
        >>> abs(direction).round(6).tolist()
        [1.0, 0.0]
    """
    center, direction = _fit_least_squares(points)
    if not robust:
        return center, direction
    across = np.array([-direction[1], direction[0]])
    slope, offset = _take_repeated_medians((points - center) @ direction, (points - center) @ across)
    center, direction = center + offset * across, (direction + slope * across) / np.hypot(1.0, slope)
    for _ in range(_ROUNDS):
        away = np.abs((points - center) @ np.array([-direction[1], direction[0]]))
        near = away <= max(LEAST_NEAR_MM, NEAR_DEVIATIONS * 1.4826 * float(np.median(away)))
        center, direction = _fit_least_squares(points[near])
    return center, direction


def _take_repeated_medians(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Slope and offset as `scipy.stats.siegelslopes` finds them, which takes a third of a second to import."""
    rise, run = y[:, None] - y, x[:, None] - x
    slopes = np.divide(rise, run, out=np.full_like(rise, np.nan), where=run != 0)
    slope = float(np.median(np.nanmedian(slopes, axis=1)))
    return slope, float(np.median(y - slope * x))


def _fit_least_squares(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    center = points.mean(axis=0)
    return center, np.linalg.svd(points - center, full_matrices=False)[2][0]
