"""Mean or median distance from the label."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kneebundle.metrics.base import LandmarkMetric

__all__ = ["RadialError"]


class RadialError(LandmarkMetric):
    """Mean or median distance in mm of all labelled points of all images; smaller is better.

    Args:
        statistic: ``"mean"`` or ``"median"``.
        landmarks: see :class:`LandmarkMetric`.
        aligned: see :class:`LandmarkMetric`.

    Raises:
        ValueError: for another statistic.
    """

    def __init__(self, statistic: str = "mean", landmarks: Sequence[int] | None = None, aligned: bool = False) -> None:
        super().__init__(landmarks, aligned)
        if statistic not in ("mean", "median"):
            raise ValueError(f"statistic is 'mean' or 'median', got {statistic!r}")
        self.statistic = statistic

    def summarize(self, errors: np.ndarray) -> float:
        labelled = errors[~np.isnan(errors)]
        if not labelled.size:
            return float("nan")
        return float(np.mean(labelled) if self.statistic == "mean" else np.median(labelled))
