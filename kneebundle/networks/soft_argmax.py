"""Soft-argmax: from score maps to coordinates that a loss can act on (KNEEL section 3.1, equations 1 to 3)."""

import torch
from torch import nn

__all__ = ["SoftArgmax"]


class SoftArgmax(nn.Module):
    """Expected position under the spatial softmax of each score map.

    A cell (column i, row j) of a W x H map stands for its centre, ((i + 0.5) / W, (j + 0.5) / H), so that a map which
    is constant decodes to the middle of the image. KNEEL equation 3 puts it at (i / W, j / H), half a cell up and left;
    ``cell_centers=False`` gives that form, for weights trained with it.

    The arithmetic is done in float32 whatever the input's type, because half precision is too coarse for a softmax
    over thousands of cells.

    Args:
        beta: factor on the scores before the softmax (the paper's beta).
        cell_centers: decode to cell centres (default) or to the paper's i / W.
        max_cells: the longest side of a map, in cells.

    Example:
        >>> import torch
        >>> scores = torch.full((1, 1, 4, 8), -100.0)
        >>> scores[0, 0, 1, 5] = 0.0
        >>> points, spreads = SoftArgmax()(scores)
        >>> points  # (5.5 / 8, 1.5 / 4)
        tensor([[[0.6875, 0.3750]]])
    """

    ramp: torch.Tensor

    def __init__(self, beta: float = 1.0, cell_centers: bool = True, max_cells: int = 2048) -> None:
        super().__init__()
        self.beta = float(beta)
        self.offset = 0.5 if cell_centers else 0.0
        self.register_buffer("ramp", torch.arange(max_cells, dtype=torch.float32), persistent=False)

    def forward(self, scores: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Decode maps.

        Args:
            scores: (B, N, H, W).

        Returns:
            Points (B, N, 2), x then y, each in [0, 1) of the image's width and height; and spreads (B, N), the standard
            deviation of each map's distribution over both axes, as a fraction of the image's width.
        """
        batch, points, height, width = scores.shape
        probabilities = torch.softmax(self.beta * scores.float().flatten(2), dim=-1)
        probabilities = probabilities.reshape(batch, points, height, width)
        column, column_variance = self._moments(probabilities.sum(2), width)
        row, row_variance = self._moments(probabilities.sum(3), height)
        xy = torch.stack([(column + self.offset) / width, (row + self.offset) / height], dim=-1)
        return xy, (column_variance + row_variance).clamp_min(0.0).sqrt() / width

    def _moments(self, marginal: torch.Tensor, length: int) -> tuple[torch.Tensor, torch.Tensor]:
        ramp = self.ramp[:length]
        mean = (marginal * ramp).sum(-1)
        variance = (marginal * (ramp - mean.unsqueeze(-1)).square()).sum(-1)
        return mean, variance
