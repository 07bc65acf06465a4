"""Accuracy of landmarks from arrays of points in mm (KNEEL section 4.3, "Evaluation and Metrics")."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["RADII_MM", "cumulative_curve", "outlier_rate", "pck", "radial_errors"]

RADII_MM = (1.0, 1.5, 2.0, 2.5)
"""Radii within which KNEEL counts a landmark as correct (Table 2)."""


def radial_errors(pred: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Distance of each predicted point from its label.

    Args:
        pred: (K, N, 2) in mm.
        truth: (K, N, 2) in mm.

    Returns:
        (K, N) in mm, float64: NaN where there is no label, infinite where there is a label but no finite prediction, so
        that a failure counts as a failure.

    Raises:
        ValueError: if the shapes are not both (K, N, 2).
    """
    pred, truth = np.asarray(pred, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    if pred.shape != truth.shape or pred.ndim != 3 or pred.shape[-1] != 2:
        raise ValueError(f"pred and truth are both (K, N, 2), got {pred.shape} and {truth.shape}")
    labelled = np.isfinite(truth).all(axis=-1)
    predicted = np.isfinite(pred).all(axis=-1)
    with np.errstate(invalid="ignore"):  # an infinite coordinate less another
        distance = np.linalg.norm(pred - truth, axis=-1)
    return np.where(labelled, np.where(predicted, distance, np.inf), np.nan)


def select(errors: np.ndarray, landmarks: Sequence[int] | None) -> np.ndarray:
    """The columns of errors (K, N) of the chosen landmarks; None: all."""
    errors = np.asarray(errors, dtype=np.float64)
    return errors if landmarks is None else errors[:, list(landmarks)]


def pck(errors: np.ndarray, radius: float, landmarks: Sequence[int] | None = None) -> float:
    """Percentage of correct keypoints: labelled points whose prediction lies within ``radius``.

    Args:
        errors: (K, N) in mm; NaN where there is no label.
        radius: in mm; a point exactly at it counts.
        landmarks: ids to count; None: all. KNEEL counts 0, 8, 9, 15.

    Returns:
        Percent, 0 to 100; NaN where nothing is labelled.
    """
    chosen = select(errors, landmarks)
    labelled = ~np.isnan(chosen)
    return float(100.0 * (chosen[labelled] <= radius).mean()) if labelled.any() else float("nan")


def outlier_rate(errors: np.ndarray, limit: float = 10.0) -> float:
    """Percentage of images with any landmark farther than ``limit`` from its label.

    KNEEL defines the outlier by the landmark; counting images is stricter.

    Args:
        errors: (K, N) in mm; NaN where there is no label. Images without any label are not counted.
        limit: in mm.

    Returns:
        Percent, 0 to 100; NaN where nothing is labelled.
    """
    errors = np.asarray(errors, dtype=np.float64)
    labelled = ~np.isnan(errors).all(axis=1)
    if not labelled.any():
        return float("nan")
    return float(100.0 * (errors[labelled] > limit).any(axis=1).mean())


def cumulative_curve(errors: np.ndarray, radii: np.ndarray, landmarks: Sequence[int] | None = None) -> np.ndarray:
    """PCK at each of many radii, the cumulative error curve of KNEEL Figures 5 and 6.

    Args:
        errors: (K, N) in mm; NaN where there is no label.
        radii: (R,) in mm.
        landmarks: ids to count; None: all.

    Returns:
        (R,) percent.
    """
    return np.array([pck(errors, float(radius), landmarks) for radius in radii])
