"""A loss that ties a network's confidence to its error, and makes its maps compact."""

import torch
from torch import nn

__all__ = ["CalibratedLoss"]


class CalibratedLoss(nn.Module):
    """``base(points, target) + weight |logit(confidence) - logit(1 / (1 + error / spread))|``, averaged over landmarks.

    A soft-argmax network that only the points are asked of spreads its maps over the whole image and balances them like
    a lever; their spread then says nothing. Here each landmark's confidence, 1 / (1 + map spread / confidence_spread),
    is drawn to what it would be if the map spread as far as the point is off. So the maps become compact, which lets
    the network learn faster and makes it mind less what lies far away, and the spread of the map foretells the error.
    The error is held fixed: no landmark becomes worse in order to be as bad as foretold. This is not in the KNEEL
    paper; it follows the variance regularisation of differentiable spatial-to-numerical transforms (Nibali et al. 2018,
    arXiv:1801.07372), with the error itself in place of a fixed variance.

    Args:
        base: loss of (B, N, 2) normalised points.
        weight: of the confidence's part, in the unit of ``base``.
        confidence_spread: that of the network: the spread, as a fraction of the width, at which the confidence is 1/2.
        aspect: height / width of the network's input, because errors come as fractions of each.
        smallest, largest: bounds of the error that is aimed at, as fractions of the width.

    Example:
        The point is off by as much as halves a confidence, so 0.5 is right and costs nothing.

        >>> import torch
        >>> from kneebundle.losses import L1Loss
        >>> loss = CalibratedLoss(L1Loss("normalized"), weight=5.0, confidence_spread=0.02)
        >>> target = torch.tensor([[[0.5, 0.5]]])
        >>> round(float(loss(torch.tensor([[[0.52, 0.5, 0.5]]]), target)), 4)  # (0.02 + 0) / 2
        0.01
    """

    axes: torch.Tensor

    def __init__(
        self,
        base: nn.Module,
        weight: float = 5.0,
        confidence_spread: float = 0.015,
        aspect: float = 1.0,
        smallest: float = 0.002,
        largest: float = 0.15,
    ) -> None:
        super().__init__()
        self.base = base
        self.weight = float(weight)
        self.confidence_spread = float(confidence_spread)
        self.register_buffer("axes", torch.tensor([1.0, float(aspect)]), persistent=False)
        self.smallest, self.largest = float(smallest), float(largest)

    def forward(self, pred: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Compare predictions with targets.

        Args:
            pred: (B, N, 3): x, y in [0, 1), confidence in (0, 1].
            target: (B, N, 2), as in :meth:`LandmarkLoss.forward`.

        Returns:
            A scalar.
        """
        points = pred[..., :2]
        loss: torch.Tensor = self.base(points, target)
        labelled = ((target >= 0) & (target < 1)).all(dim=-1)
        error = (torch.where(labelled.unsqueeze(-1), points.detach() - target, 0.0) * self.axes).norm(dim=-1)
        wanted = torch.log(self.confidence_spread / error.clamp(self.smallest, self.largest))
        gap = (torch.logit(pred[..., 2].float(), eps=1e-4) - wanted).abs()
        return loss + self.weight * torch.where(labelled, gap, 0.0).sum() / labelled.sum().clamp_min(1)
