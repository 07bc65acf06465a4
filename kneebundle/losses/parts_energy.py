"""The energy of parts-based registration: joint denoising of heatmaps, blobs, equation 2 (Tiirola 2023, section 2)."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

__all__ = ["PartsEnergy", "cell_centers"]

_WINDOW = 2.7
"""Half the width of the Gaussian window of the denoising, in standard deviations."""


def cell_centers(cells: int) -> torch.Tensor:
    """Place the centres of so many cells on [-1, 1], (cells,).

    Example:
        >>> cell_centers(2)
        tensor([-0.5000,  0.5000])
    """
    return (torch.arange(cells) + 0.5) * (2.0 / cells) - 1.0


class PartsEnergy(nn.Module):
    """E of equation 2, of heatmaps of a patch and of the parts' disturbances.

    With G(k) = exp(-|k|^2 / 2 sigma^2), blobs k^n that are a G around place n plus its disturbance, and

        M_j = 1 / (N - 1) sum_{r != j} max_k G(k) tau_{l_j - l_r + k}(h^r),     g^j = M_j h^j,
        E = - sum_n <1 + k^n(eps^n), g^n g^n> + weight sum_n |eps^n|^2.

    tau_t moves a map by t, (tau_t h)(x) = h(x - t), as the text before M_j has it: from a peak of part r along l_j -
    l_r one comes to part j. The sentence after M_j has the sign turned round. What comes from beyond the map is 0. The
    maximum runs over cell centres up to 2.7 sigma away; the translation by l_j - l_r is bilinear.

    G is separable and nothing is negative, so the maximum is taken along rows, then along columns, once for each r; the
    translations are products with two banded matrices for each pair. Both are exact.

    Args:
        places: l, (N, 2) in [-1, 1], x then y; N is at least 2.
        sigma: standard deviation of G, in the denoising and in the blobs.
        disturbance_weight: lambda of equation 2.
        cells: edge of the maps.

    Example:
        Parts that are seen where they are expected have less energy than parts that are seen nowhere.

        >>> import torch
        >>> energy = PartsEnergy(torch.tensor([[-0.5, 0.0], [0.5, 0.0]]), cells=8)
        >>> nowhere, still = torch.zeros(1, 2, 8, 8), torch.zeros(1, 2, 2)
        >>> bool(energy(energy.blobs(still), still) < energy(nowhere, still))
        True
    """

    places: torch.Tensor
    window: torch.Tensor
    centers: torch.Tensor
    row_shifts: torch.Tensor
    column_shifts: torch.Tensor

    def __init__(
        self, places: torch.Tensor, sigma: float = 0.08, disturbance_weight: float = 1e-6, cells: int = 28
    ) -> None:
        super().__init__()
        places = places.detach()
        count = len(places)
        self.sigma = float(sigma)
        self.disturbance_weight = float(disturbance_weight)
        self.cells = int(cells)
        self.radius = max(1, round(_WINDOW * sigma * cells / 2))
        steps = torch.arange(-self.radius, self.radius + 1) * (2.0 / cells)
        self.register_buffer("places", places)
        self.register_buffer("centers", cell_centers(cells).to(places))
        self.register_buffer("window", self._gaussian(steps).to(places))
        offsets = (places[:, None] - places[None]) * (cells / 2)  # [j, r], in cells
        columns, rows = _shift_matrices(offsets[..., 0], cells), _shift_matrices(offsets[..., 1], cells)
        columns = columns * (1 - torch.eye(count).to(columns))[..., None, None] / (count - 1)
        # laid out for two batched products: [r, X, (j, x)] and [j, y, (r, Y)]
        self.register_buffer("column_shifts", columns.permute(1, 3, 0, 2).reshape(count, cells, count * cells))
        self.register_buffer("row_shifts", rows.permute(0, 2, 1, 3).reshape(count, cells, count * cells))

    def forward(self, heatmaps: torch.Tensor, disturbances: torch.Tensor) -> torch.Tensor:
        """The energy of each patch.

        Args:
            heatmaps: h, (B, N, cells, cells), not negative.
            disturbances: eps, (B, N, 2), x then y.

        Returns:
            (B,).
        """
        squared = self.denoise(heatmaps).square()
        rows, columns = self._blob_profiles(disturbances)
        in_blobs = torch.einsum("bny,bnyx,bnx->b", rows, squared, columns)
        return self.disturbance_weight * disturbances.square().sum((1, 2)) - squared.sum((1, 2, 3)) - in_blobs

    def denoise(self, heatmaps: torch.Tensor) -> torch.Tensor:
        """g^j = M_j h^j, (B, N, cells, cells)."""
        return self.multipliers(heatmaps) * heatmaps

    def multipliers(self, heatmaps: torch.Tensor) -> torch.Tensor:
        """M_j, (B, N, cells, cells): how much the other parts expect part j at a cell."""
        batch, count, cells = heatmaps.shape[0], heatmaps.shape[1], self.cells
        near = self._maximum_along(self._maximum_along(heatmaps, 3), 2)
        by_part = near.permute(1, 0, 2, 3).reshape(count, batch * cells, cells)
        moved = torch.bmm(by_part, self.column_shifts).view(count, batch, cells, count, cells)
        moved = moved.permute(3, 0, 2, 1, 4).reshape(count, count * cells, batch * cells)
        return torch.bmm(self.row_shifts, moved).view(count, cells, batch, cells).permute(2, 0, 1, 3)

    def blobs(self, disturbances: torch.Tensor) -> torch.Tensor:
        """k^n, (B, N, cells, cells): Gaussians of height 1 around the disturbed places."""
        rows, columns = self._blob_profiles(disturbances)
        return rows.unsqueeze(-1) * columns.unsqueeze(-2)

    def _blob_profiles(self, disturbances: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        centers = (self.places + disturbances).unsqueeze(-1)
        return self._gaussian(self.centers - centers[..., 1, :]), self._gaussian(self.centers - centers[..., 0, :])

    def _gaussian(self, distance: torch.Tensor) -> torch.Tensor:
        return torch.exp(distance.square() * (-0.5 / self.sigma**2))

    def _maximum_along(self, maps: torch.Tensor, axis: int) -> torch.Tensor:
        """max_k G(k) maps(x - k) with k along one axis."""
        largest: torch.Tensor = _WindowedMaximum.apply(maps, self.window, axis)
        return largest


class _WindowedMaximum(torch.autograd.Function):
    """max_k w(k) maps(x - k) with k along one axis; w is 1 in its middle, what lies beyond the maps is 0.

    A maximum of each step with the next would do; its gradient would take three times as long.
    """

    @staticmethod
    def forward(ctx: Any, maps: torch.Tensor, window: torch.Tensor, axis: int) -> torch.Tensor:
        """The largest of the weighted neighbours; which it is, is kept for the gradient."""
        radius, length = len(window) // 2, maps.shape[axis]
        padded = functional.pad(maps, (radius, radius, 0, 0) if axis == 3 else (0, 0, radius, radius))
        largest, source = maps.clone(), torch.full(maps.shape, radius, dtype=torch.int8, device=maps.device)
        for step in range(2 * radius + 1):
            if step != radius:
                weighted = padded.narrow(axis, step, length) * window[step]
                source.masked_fill_(weighted > largest, step)
                torch.maximum(largest, weighted, out=largest)
        ctx.save_for_backward(source, window)
        ctx.axis = axis
        return largest

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        """To each neighbour that was the largest, its weight."""
        source, window = ctx.saved_tensors
        (gradient,), axis = gradients, ctx.axis
        radius, length = len(window) // 2, gradient.shape[axis]
        shape = list(gradient.shape)
        shape[axis] += 2 * radius
        padded = gradient.new_zeros(shape)
        for step in range(2 * radius + 1):
            padded.narrow(axis, step, length).addcmul_(gradient * window[step], source == step)
        return padded.narrow(axis, radius, length), None, None


def _shift_matrices(offsets: torch.Tensor, cells: int) -> torch.Tensor:
    """Matrices (..., cells, cells) that move a row of cells to higher places by offsets (...), in cells.

    Linear between cells, 0 beyond the ends.
    """
    index = torch.arange(cells).to(offsets)
    source = index[:, None] - offsets[..., None, None]
    return (1 - (source - index).abs()).clamp_min(0.0)
