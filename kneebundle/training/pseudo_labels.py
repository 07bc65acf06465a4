"""Labels that networks give knees which nobody has marked: the mean of several predictions, where they agree."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from kneebundle.datasets.region_cache import REGION_SPACING_MM, KneeRegions
from kneebundle.inferers.landmarks import LandmarkInferer
from kneebundle.pipelines.uncertainty import confidence_to_spread
from kneebundle.training.region_sampling import RegionSampling, sample_region

__all__ = ["combine_predictions", "predict_regions"]


@torch.inference_mode()
def predict_regions(
    network: nn.Module,
    regions: KneeRegions,
    look: str,
    centers: np.ndarray,
    knees: Sequence[int] | None = None,
    size_px: int = 384,
    precision: str | None = None,
) -> np.ndarray:
    """Predict on cached regions, cut around given points.

    Args:
        network: in evaluation mode.
        regions: K of them.
        look: one of theirs.
        centers: (k, 2) in pixels of the regions.
        knees: (k,) numbers of the regions; None: all.
        size_px: edge of the network's input.
        precision: of the network, see :func:`kneebundle.inferers.resolve_precision`.

    Returns:
        (k, N, 3) x and y in pixels of the region, and the confidence.
    """
    cut = RegionSampling(size_px=size_px, shift_px=0.0, strength=0.0)
    infer = LandmarkInferer(precision)
    predictions = []
    for row, knee in enumerate(range(len(regions)) if knees is None else knees):
        first = np.round(centers[row] - (size_px - 1) / 2)  # so that pixel comes to lie on pixel
        center = first + (size_px - 1) / 2
        image, _ = sample_region(regions.looks[look][knee], np.zeros((1, 2)), np.random.RandomState(0), center, cut)
        points = infer(image[None], network)[0].float().numpy().astype(np.float64)
        points[:, :2] = points[:, :2] * size_px - 0.5 + first
        predictions.append(points)
    return np.stack(predictions)


def combine_predictions(
    predictions: np.ndarray,
    half_mm: float = 2.1,
    largest_disagreement_mm: float = 1.2,
    largest_spread_mm: float = 4.9,
    least_landmarks: int = 10,
) -> tuple[np.ndarray, np.ndarray]:
    """Average several predictions, leaving out the landmarks on which they differ.

    Args:
        predictions: (A, K, N, 3) of :func:`predict_regions`, A at least 2.
        half_mm: see :func:`kneebundle.pipelines.confidence_to_spread`.
        largest_disagreement_mm: standard deviation between the predictions above which a landmark is left out.
        largest_spread_mm: the same for the mean spread of the maps.
        least_landmarks: a knee with fewer left is not used.

    Returns:
        (K, N, 2) points in pixels, NaN where left out; (K,) bool: the knees to use.
    """
    points = predictions[..., :2].mean(0)
    disagreement = np.sqrt(((predictions[..., :2] - points) ** 2).sum(-1).mean(0)) * REGION_SPACING_MM
    spread = confidence_to_spread(predictions[..., 2].mean(0), half_mm)
    dropped = (disagreement > largest_disagreement_mm) | (spread > largest_spread_mm)
    points[dropped] = np.nan
    return points, (~dropped).sum(1) >= least_landmarks
