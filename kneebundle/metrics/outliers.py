"""How many images, or landmarks, went wrong."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kneebundle.metrics.base import LandmarkMetric
from kneebundle.metrics.functional import outlier_rate, pck

__all__ = ["OutlierRate"]


class OutlierRate(LandmarkMetric):
    """Percent of images with any landmark, or of landmarks, farther from their label than a limit; smaller is better.

    Args:
        limit_mm: the limit.
        landmarks: see :class:`LandmarkMetric`.
        aligned: see :class:`LandmarkMetric`.
        count: ``"images"``, or ``"landmarks"`` as Payer et al. (2019) count.

    Raises:
        ValueError: for another ``count``.

    Example:
        >>> import torch
        >>> from kneebundle.metrics import OutlierRate
        >>> truth = torch.zeros(2, 4, 2)
        >>> pred = truth.clone()
        >>> pred[0, 3] = 20.0
        >>> metric = OutlierRate(limit_mm=10.0)
        >>> _ = metric(pred, truth)
        >>> metric.aggregate().item()
        50.0
    """

    def __init__(
        self,
        limit_mm: float = 10.0,
        landmarks: Sequence[int] | None = None,
        aligned: bool = False,
        count: str = "images",
    ) -> None:
        super().__init__(landmarks, aligned)
        if count not in ("images", "landmarks"):
            raise ValueError(f"count is 'images' or 'landmarks', got {count!r}")
        self.limit_mm = float(limit_mm)
        self.count = count

    def summarize(self, errors: np.ndarray) -> float:
        """Percent of the images, or of the landmarks, with a distance above the limit."""
        return outlier_rate(errors, self.limit_mm) if self.count == "images" else 100.0 - pck(errors, self.limit_mm)
