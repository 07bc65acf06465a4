"""Labels whose scale and place are fitted anew to predictions of networks that never saw the knee.

The shape stays the expert's.
"""

from __future__ import annotations

import numpy as np

__all__ = ["fit_scale_shift", "refit_labels"]


def fit_scale_shift(points: np.ndarray, reference: np.ndarray, rounds: int = 10, least: float = 0.3) -> np.ndarray:
    """Find the scale and shift that bring points nearest to a reference, strays counting little.

    Least squares with weights 1 / error (an L1 fit); errors below their median, or below ``least``, count alike.

    Args:
        points: (N, 2).
        reference: (N, 2), in the same unit.
        rounds: of weighting anew.
        least: in that unit.

    Returns:
        (3,) the scale, and x and y of the middle of the moved points, which are
        ``(points - points.mean(0)) * scale + (x, y)``.

    Example:
        >>> import numpy as np
        >>> square = np.array([[0.0, 0.0], [2.0, 0.0], [2.0, 2.0], [0.0, 2.0]])
        >>> fit_scale_shift(square, square * 1.5 + 1.0).round(6).tolist()
        [1.5, 2.5, 2.5]
    """
    weights = np.ones(len(points))
    scale, shift = 1.0, np.zeros(2)
    for _ in range(rounds):
        center = np.average(points, axis=0, weights=weights)
        goal = np.average(reference, axis=0, weights=weights)
        offset = points - center
        scale = float((weights[:, None] * offset * (reference - goal)).sum() / (weights[:, None] * offset**2).sum())
        shift = goal - scale * center
        error = np.linalg.norm(points * scale + shift - reference, axis=1)
        weights = 1.0 / np.maximum(error, max(float(np.median(error)), least))
    return np.array([scale, *(points.mean(0) * scale + shift)])


def refit_labels(
    labels: np.ndarray, predictions: np.ndarray, common_scale: float, largest_residual: float = 2.0, least: float = 0.3
) -> tuple[np.ndarray, np.ndarray]:
    """Move the labels of many knees onto predictions, and set the scale that all of them share.

    What networks say of a knee's scale relative to other knees is believed. How large all knees are is what they were
    taught: it is taken out (the median over knees), and ``common_scale`` put in its place.

    Args:
        labels: (K, N, 2) in mm.
        predictions: (K, N, 2) in mm, of networks that were not trained on the knee; NaN where there is none.
        common_scale: by how much the median knee is to grow.
        largest_residual: a knee whose median error stays above this, in mm, keeps its place and gets the common scale
            alone.
        least: see :func:`fit_scale_shift`.

    Returns:
        The new labels (K, N, 2), and (K,) bool: which were moved.
    """
    fits = np.full((len(labels), 3), np.nan)
    for k in np.flatnonzero(np.isfinite(predictions).all(axis=(1, 2))):
        fits[k] = fit_scale_shift(labels[k], predictions[k], least=least)
    centers = labels.mean(1, keepdims=True)
    moved = (labels - centers) * fits[:, :1, None] + fits[:, None, 1:]
    residual = np.median(np.linalg.norm(moved - predictions, axis=-1), axis=1)
    good = np.nan_to_num(residual, nan=np.inf) <= largest_residual
    median = float(np.median(fits[good, 0])) if good.any() else 1.0
    scale = np.where(good, fits[:, 0] / median, 1.0) * common_scale
    place = np.where(good[:, None], fits[:, 1:], centers[:, 0])
    return (labels - centers) * scale[:, None, None] + place[:, None], good
