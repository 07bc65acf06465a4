"""Percentage of correct keypoints."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kneebundle.metrics.base import LandmarkMetric
from kneebundle.metrics.functional import pck

__all__ = ["PCK"]


class PCK(LandmarkMetric):
    """Percent of labelled points whose prediction lies within a radius; greater is better.

    Args:
        radius_mm: the radius.
        landmarks: see :class:`LandmarkMetric`; KNEEL's are 0, 8, 9, 15.
        aligned: see :class:`LandmarkMetric`.
    """

    def __init__(self, radius_mm: float, landmarks: Sequence[int] | None = None, aligned: bool = False) -> None:
        super().__init__(landmarks, aligned)
        self.radius_mm = float(radius_mm)

    def summarize(self, errors: np.ndarray) -> float:
        return pck(errors, self.radius_mm)
