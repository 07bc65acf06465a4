"""How many images went wrong."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kneebundle.metrics.base import LandmarkMetric
from kneebundle.metrics.functional import outlier_rate

__all__ = ["OutlierRate"]


class OutlierRate(LandmarkMetric):
    """Percent of images with any landmark farther from its label than a limit; smaller is better.

    Args:
        limit_mm: the limit.
        landmarks: see :class:`LandmarkMetric`.
        aligned: see :class:`LandmarkMetric`.
    """

    def __init__(self, limit_mm: float = 10.0, landmarks: Sequence[int] | None = None, aligned: bool = False) -> None:
        super().__init__(landmarks, aligned)
        self.limit_mm = float(limit_mm)

    def summarize(self, errors: np.ndarray) -> float:
        return outlier_rate(errors, self.limit_mm)
