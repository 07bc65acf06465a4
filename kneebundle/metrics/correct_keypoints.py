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

    Example:
        >>> import torch
        >>> from kneebundle.metrics import PCK
        >>> metric, truth = PCK(radius_mm=2.0), torch.zeros(1, 4, 2)
        >>> _ = metric(truth + torch.tensor([[0.0, 1.0], [0.0, 1.5], [0.0, 2.0], [0.0, 5.0]]), truth)
        >>> metric.aggregate().item()
        75.0
    """

    def __init__(self, radius_mm: float, landmarks: Sequence[int] | None = None, aligned: bool = False) -> None:
        super().__init__(landmarks, aligned)
        self.radius_mm = float(radius_mm)

    def summarize(self, errors: np.ndarray) -> float:
        """Percent of the distances that are no larger than the radius."""
        return pck(errors, self.radius_mm)
