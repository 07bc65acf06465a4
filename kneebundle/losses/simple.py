"""Losses without parameters: L1, L2 and their sum (KNEEL section 4.4, Table 1)."""

from __future__ import annotations

import torch

from kneebundle.losses.base import LandmarkLoss

__all__ = ["ElasticLoss", "L1Loss", "L2Loss"]


class L1Loss(LandmarkLoss):
    """|error| of each coordinate. Arguments: see :class:`LandmarkLoss`."""

    def penalty(self, residual: torch.Tensor) -> torch.Tensor:
        return residual.abs()


class L2Loss(LandmarkLoss):
    """error^2 of each coordinate. Arguments: see :class:`LandmarkLoss`."""

    def penalty(self, residual: torch.Tensor) -> torch.Tensor:
        return residual.square()


class ElasticLoss(LandmarkLoss):
    """|error| + error^2 of each coordinate, KNEEL's "sum of L2 and L1". Arguments: see :class:`LandmarkLoss`."""

    def penalty(self, residual: torch.Tensor) -> torch.Tensor:
        return residual.abs() + residual.square()
