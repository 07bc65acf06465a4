"""Least-squares scale and shift on arrays; the arithmetic is that of :mod:`kneebundle.losses.alignment`."""

from __future__ import annotations

import numpy as np
import torch

from kneebundle.losses.alignment import fit_scale_shift

__all__ = ["align_predictions"]


def align_predictions(pred: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Move the predictions of each image by the best scale and shift onto its labels, without rotation.

    Args:
        pred: (K, N, 2) in mm.
        truth: (K, N, 2) in mm; landmarks that are not finite have no part in the fit.

    Returns:
        (K, N, 2) float64, all the predictions, moved.
    """
    points = torch.from_numpy(np.asarray(pred, dtype=np.float64))
    reference = torch.from_numpy(np.asarray(truth, dtype=np.float64))
    return fit_scale_shift(points, reference).numpy()
