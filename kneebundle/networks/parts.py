"""Parts: feature vectors with places, and the heatmaps that say where an image shows them (Tiirola 2023, section 2)."""

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from kneebundle.networks.features import FeatureExtractor

__all__ = ["PartsNet", "grid_places", "sample_maps"]

_LANDMARKS = 16
_OUTERMOST = 0.95


def grid_places(per_side: int = 3, reach: float = 0.5) -> torch.Tensor:
    """Place parts on a regular grid; the paper's are at -0.5, 0 and 0.5.

    Args:
        per_side: places a side.
        reach: of the grid, from the middle to its outermost places.

    Returns:
        (per_side^2, 2) in [-1, 1], x then y, row by row.

    Example:
        >>> grid_places(2).tolist()
        [[-0.5, -0.5], [0.5, -0.5], [-0.5, 0.5], [0.5, 0.5]]
    """
    line = torch.linspace(-reach, reach, per_side)
    y, x = torch.meshgrid(line, line, indexing="ij")
    return torch.stack([x, y], dim=-1).reshape(-1, 2)


def sample_maps(maps: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """Sample maps at points, linear between cells and 0 beyond them.

    Args:
        maps: (B, C, H, W).
        points: (B, N, 2) in [-1, 1], x then y.

    Returns:
        (B, C, N).
    """
    return functional.grid_sample(maps, points.unsqueeze(1), mode="bilinear", align_corners=False).squeeze(2)


class PartsNet(nn.Module):
    """Frozen features, and parts whose places can be learnt.

    While the parts are selected there is a reference image: a part's vector is the reference's feature map at its
    place, interpolated and of length 1, so a loss on the heatmaps moves the place. :meth:`settle` then keeps the
    vectors, and the reference is needed no more. The state dict holds the features' weights, places, vectors,
    thresholds and landmarks, and nothing of the reference besides.

    Args:
        extractor: the features.
        channels: C of the features.
        places: number of parts a side of the first grid; N is its square.
        cells: edge of the grid of cells.
        sharpness: exponent of the heatmaps; 1 is equation 1, higher ones make peaks narrower against what is alike
            everywhere.

    Attributes:
        places: (N, 2), l in [-1, 1], x then y.
        vectors: (N, C), V(a) at the places.
        least_agreement: parts agree less than this on average where nothing was registered; set by training.
        highest_energy: the energy is above this where nothing was registered; set by training.
        landmarks: (16, 2), where the landmarks of the reference lie in [-1, 1], for measuring and to tell where the
            joint is; NaN where nobody knows.
    """

    vectors: torch.Tensor
    least_agreement: torch.Tensor
    highest_energy: torch.Tensor
    landmarks: torch.Tensor
    reference: torch.Tensor

    def __init__(
        self, extractor: FeatureExtractor, channels: int, places: int = 3, cells: int = 28, sharpness: float = 1.0
    ) -> None:
        super().__init__()
        self.extractor = extractor
        self.cells = int(cells)
        self.sharpness = float(sharpness)
        self.outermost = _OUTERMOST
        self.places = nn.Parameter(grid_places(places))
        self.register_buffer("vectors", torch.zeros(places**2, channels))
        self.register_buffer("least_agreement", torch.tensor(0.0))
        self.register_buffer("highest_energy", torch.tensor(0.0))
        self.register_buffer("landmarks", torch.full((_LANDMARKS, 2), float("nan")))
        self.register_buffer("reference", torch.zeros(0), persistent=False)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Heatmaps h of images (B, 1, H, W), (B, N, cells, cells) in [0, 1]; see :meth:`heatmaps`."""
        return self.heatmaps(self.extractor(image, self.cells))

    def heatmaps(self, features: torch.Tensor) -> torch.Tensor:
        """Equation 1: h^i = <V, V(a) at l^i>, below 0 taken for 0, to the power ``sharpness``.

        Args:
            features: V, (B, C, h, w).

        Returns:
            (B, N, h, w).
        """
        alike = torch.einsum("bchw,nc->bnhw", features, self.part_vectors()).clamp_min(0.0)
        return alike if self.sharpness == 1.0 else alike.pow(self.sharpness)

    def part_vectors(self) -> torch.Tensor:
        """(N, C), of length 1: from the reference while there is one, so that they follow the places; else as settled.

        Places that a step took beyond the reference are put back to its border first: there is nothing beyond, and
        nothing looks like nothing, so the objective of the selection would reward it.
        """
        if self.reference.numel() == 0:
            return self.vectors
        with torch.no_grad():
            self.places.clamp_(-self.outermost, self.outermost)
        vectors = sample_maps(self.reference, self.places.unsqueeze(0))[0].T
        return functional.normalize(vectors, dim=1)

    @torch.no_grad()
    def set_reference(self, image: torch.Tensor) -> None:
        """Take an image (1, 1, H, W) as the reference a."""
        self.reference = self.extractor(image.to(self.places.device), self.cells)

    @torch.no_grad()
    def settle(self) -> None:
        """Keep the vectors of the parts where they are now, and forget the reference."""
        self.vectors.copy_(self.part_vectors())
        self.reference = self.vectors.new_zeros(0)

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        """Save as every module does, but with the vectors of the parts where they are now."""
        with torch.no_grad():
            self.vectors.copy_(self.part_vectors())
        super()._save_to_state_dict(destination, prefix, keep_vars)
