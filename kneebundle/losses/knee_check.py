"""Loss of the knee check: which class, and where the joint is."""

import torch
from torch import nn
from torch.nn import functional

__all__ = ["KneeCheckLoss"]


class KneeCheckLoss(nn.Module):
    """Cross entropy of four classes plus a smooth L1 distance of the joint.

    Args:
        smoothing: label smoothing, spread over all classes.
        shift_weight: of the distance.
        beta: where the distance turns from square to linear, in halves of the region.
    """

    def __init__(self, smoothing: float = 0.03, shift_weight: float = 2.0, beta: float = 0.05) -> None:
        super().__init__()
        self.smoothing, self.shift_weight, self.beta = float(smoothing), float(shift_weight), float(beta)

    def forward(self, pred: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Compare answers with labels.

        Args:
            pred: (B, 6): logits of native right, native left, implant, not a knee; then x and y of the joint.
            target: (B, 3): the class, -1 for a native knee of unknown side; x and y of the joint, NaN where unknown.

        Returns:
            A scalar.
        """
        labels, offsets = target[:, 0].long(), target[:, 1:]
        log_p = functional.log_softmax(pred[:, :4], dim=1)
        of_label = log_p.gather(1, labels.clamp_min(0)[:, None])[:, 0]
        picked = torch.where(labels < 0, torch.logsumexp(log_p[:, :2], dim=1), of_label)
        loss = -((1 - self.smoothing) * picked + self.smoothing * log_p.mean(1)).mean()
        known = torch.isfinite(offsets).all(dim=1)
        if bool(known.any()):
            loss = loss + self.shift_weight * functional.smooth_l1_loss(pred[known, 4:], offsets[known], beta=self.beta)
        return loss
