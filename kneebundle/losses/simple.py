"""Losses without parameters: L1, L2 and their sum (KNEEL section 4.4, Table 1)."""

from __future__ import annotations

import torch

from kneebundle.losses.base import LandmarkLoss

__all__ = ["ElasticLoss", "L1Loss", "L2Loss"]


class L1Loss(LandmarkLoss):
    """|error| of each coordinate. Arguments: see :class:`LandmarkLoss`.

    Example:
        >>> import torch
        >>> loss = L1Loss("px", scale=(200, 100))
        >>> round(float(loss(torch.tensor([[[0.51, 0.54]]]), torch.tensor([[[0.5, 0.5]]]))), 4)  # (2 + 4) / 2
        3.0
    """

    def penalty(self, residual: torch.Tensor) -> torch.Tensor:
        """Penalty of each residual."""
        return residual.abs()


class L2Loss(LandmarkLoss):
    """error^2 of each coordinate. Arguments: see :class:`LandmarkLoss`.

    Example:
        >>> import torch
        >>> loss = L2Loss("px", scale=(200, 100))
        >>> round(float(loss(torch.tensor([[[0.51, 0.54]]]), torch.tensor([[[0.5, 0.5]]]))), 4)  # (4 + 16) / 2
        10.0
    """

    def penalty(self, residual: torch.Tensor) -> torch.Tensor:
        """Penalty of each residual."""
        return residual.square()


class ElasticLoss(LandmarkLoss):
    """|error| + error^2 of each coordinate, KNEEL's "sum of L2 and L1". Arguments: see :class:`LandmarkLoss`.

    Example:
        >>> import torch
        >>> loss = ElasticLoss("px", scale=(200, 100))
        >>> round(float(loss(torch.tensor([[[0.51, 0.54]]]), torch.tensor([[[0.5, 0.5]]]))), 4)  # (6 + 20) / 2
        13.0
    """

    def penalty(self, residual: torch.Tensor) -> torch.Tensor:
        """Penalty of each residual."""
        return residual.abs() + residual.square()
