"""The steps that all landmark metrics share: match, measure, gather, summarise."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from monai.metrics import CumulativeIterationMetric

from kneebundle.metrics.alignment import align_predictions
from kneebundle.metrics.functional import radial_errors, select

__all__ = ["LandmarkMetric"]


class LandmarkMetric(CumulativeIterationMetric):
    """One number from the distances between predicted and labelled points.

    Called with ``y_pred`` and ``y``, tensors (B, N, 2) or lists of (N, 2), in mm; labels that are not finite are left
    out, predictions that are not finite count as infinitely far. :func:`metric_handlers` makes it a metric of a MONAI
    engine. Its buffer, and so ``engine.state.metric_details``, holds the distances of all landmarks, (K, N) in mm.

    Args:
        landmarks: ids that the number is taken over; None: all.
        aligned: move the predictions of each image by the best scale and shift onto the labels first, all landmarks
            taking part in the fit.
    """

    def __init__(self, landmarks: Sequence[int] | None = None, aligned: bool = False) -> None:
        super().__init__()
        self.landmarks = None if landmarks is None else tuple(landmarks)
        self.aligned = aligned

    def _compute_tensor(self, y_pred: torch.Tensor, y: torch.Tensor | None = None, **kwargs: Any) -> torch.Tensor:
        if y is None:
            raise ValueError(f"{type(self).__name__} needs labelled points")
        pred, truth = _array(y_pred), _array(y)
        if self.aligned:
            pred = align_predictions(pred, truth)
        return torch.from_numpy(radial_errors(pred, truth)).to(y_pred.device)

    def aggregate(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        """The metric over all images gathered since the last reset, a scalar tensor; NaN where nothing is labelled.

        Raises:
            ValueError: before the first image.
        """
        errors = self.get_buffer()
        if not isinstance(errors, torch.Tensor):
            raise ValueError(f"{type(self).__name__} was given no images; call it before aggregate")
        return torch.tensor(self.summarize(select(errors.cpu().numpy(), self.landmarks)), dtype=torch.float64)

    @abstractmethod
    def summarize(self, errors: np.ndarray) -> float:
        """Distances (K, number of chosen landmarks) in mm, NaN where there is no label, to one number."""


def _array(points: torch.Tensor) -> np.ndarray:
    return points.detach().cpu().double().numpy()
