"""Mean, median or standard deviation of the distance from the label."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kneebundle.metrics.base import LandmarkMetric

__all__ = ["RadialError"]

_STATISTICS: dict[str, Callable[[np.ndarray], Any]] = {"mean": np.mean, "median": np.median, "deviation": np.std}


class RadialError(LandmarkMetric):
    """Mean, median or standard deviation of the distance in mm of all labelled points of all images; smaller is better.

    Args:
        statistic: ``"mean"``, ``"median"`` or ``"deviation"``.
        landmarks: see :class:`LandmarkMetric`.
        aligned: see :class:`LandmarkMetric`.

    Raises:
        ValueError: for another statistic.

    Example:
        >>> import torch
        >>> from kneebundle.metrics import RadialError
        >>> metric = RadialError("median")
        >>> _ = metric(torch.tensor([[[3.0, 4.0], [1.0, 0.0], [0.0, 2.0]]]), torch.zeros(1, 3, 2))
        >>> metric.aggregate().item()
        2.0
    """

    def __init__(self, statistic: str = "mean", landmarks: Sequence[int] | None = None, aligned: bool = False) -> None:
        super().__init__(landmarks, aligned)
        if statistic not in _STATISTICS:
            raise ValueError(f"statistic is 'mean', 'median' or 'deviation', got {statistic!r}")
        self.statistic = statistic

    def summarize(self, errors: np.ndarray) -> float:
        """The statistic of all distances that are not NaN; NaN where there is none."""
        labelled = errors[~np.isnan(errors)]
        if not labelled.size:
            return float("nan")
        return float(_STATISTICS[self.statistic](labelled))
