"""MONAI's surface metrics in mm where every image has a spacing of its own."""

from __future__ import annotations

from typing import Any

import torch
from monai.metrics import HausdorffDistanceMetric, SurfaceDistanceMetric

from kneebundle.transforms.resample import pixel_spacing

__all__ = ["HausdorffDistanceMM", "SurfaceDistanceMM"]


class SurfaceDistanceMM(SurfaceDistanceMetric):
    """MONAI's SurfaceDistanceMetric in mm; the labels are a list of MetaTensors (C, H, W), which know their spacing."""

    def _compute_tensor(self, y_pred: torch.Tensor, y: torch.Tensor, **kwargs: Any) -> torch.Tensor:  # type: ignore[override]
        return super()._compute_tensor(y_pred, y, spacing=pixel_spacing(y))  # type: ignore[arg-type]


class HausdorffDistanceMM(HausdorffDistanceMetric):
    """MONAI's HausdorffDistanceMetric in mm, in the same way."""

    def _compute_tensor(self, y_pred: torch.Tensor, y: torch.Tensor, **kwargs: Any) -> torch.Tensor:  # type: ignore[override]
        return super()._compute_tensor(y_pred, y, spacing=pixel_spacing(y))  # type: ignore[arg-type]
