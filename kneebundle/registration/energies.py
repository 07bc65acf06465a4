"""The two energies of a registration: parts (Tiirola 2023) and normalised cross-correlation (Tiirola 2022)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional

from kneebundle.losses.parts_energy import PartsEnergy, cell_centers
from kneebundle.networks.features import CELL_PX
from kneebundle.networks.parts import PartsNet, sample_maps
from kneebundle.networks.similarity import transform_points

__all__ = ["FEATURE_MODES", "NccObjective", "PartsObjective"]

FEATURE_MODES = ("warped", "recomputed")
PYRAMID = (44, 36, 28, 24)
"""Cells a side of an image whose 28 cells are a patch of scale 0.64, 0.78, 1.0 and 1.17."""


class PartsObjective:
    """Energy of equation 2 of patches of images.

    ``features="recomputed"`` is the paper's: each patch is cut from the image and its features computed anew at every
    step. ``"warped"`` computes the heatmaps of the whole image once for each of a few scales and samples those of the
    scale next to s1 where the patch has its cells. That is eq. 1 but for two things: the features saw the image upright
    and at that scale, and an interpolated vector is not brought to length 1 again. Beyond the border of the image there
    is nothing in either.

    Equation 2 is an integral over the patch. A smaller piece of the image, magnified, shows every peak larger, and the
    1 in 1 + k rewards that. ``per_area=True`` multiplies it by the area that the patch has in the image, scale^2, which
    makes it an integral over the image; the paper does not.

    Args:
        net: parts that are settled, and their features.
        images: (B, 1, S, S) in [-1, 1].
        features: ``"warped"`` or ``"recomputed"``.
        sigma, disturbance_weight: of :class:`PartsEnergy`.
        per_area: the energy is per area of the image.
        pyramid: cells a side at which the heatmaps of whole images are computed.
    """

    def __init__(
        self,
        net: PartsNet,
        images: torch.Tensor,
        features: str = "warped",
        sigma: float = 0.08,
        disturbance_weight: float = 1e-6,
        per_area: bool = True,
        pyramid: Sequence[int] = PYRAMID,
    ) -> None:
        if features not in FEATURE_MODES:
            raise ValueError(f"features is one of {', '.join(FEATURE_MODES)}, got {features!r}")
        self.net = net
        self.images = images
        self.features = features
        self.sigma = sigma
        self.disturbance_weight = disturbance_weight
        self.per_area = per_area
        self.places = net.places.detach()
        self._energies: dict[int, PartsEnergy] = {}
        self._scales = torch.tensor([net.cells / cells for cells in pyramid], device=self.places.device)
        self._maps = self._compute_pyramid(images, pyramid)
        self._sources: tuple[torch.Tensor, torch.Tensor] | None = None

    @torch.no_grad()
    def _compute_pyramid(self, images: torch.Tensor, pyramid: Sequence[int]) -> torch.Tensor:
        """(B, levels, N, R, R) with R the finest grid of the pyramid."""
        finest = (max(pyramid), max(pyramid))
        maps = [self.net.heatmaps(self.net.extractor(images, cells)) for cells in pyramid]
        maps = [functional.interpolate(m, size=finest, mode="bilinear", align_corners=False) for m in maps]
        return torch.stack(maps, dim=1)

    def energy(
        self,
        image: torch.Tensor,
        start_scale: torch.Tensor,
        matrix: torch.Tensor,
        disturbances: torch.Tensor,
        cells: int,
    ) -> torch.Tensor:
        """The energy of patches; see :class:`~kneebundle.registration.Objective`."""
        if cells not in self._energies:
            published = PartsEnergy(self.places, self.sigma, self.disturbance_weight, cells)
            self._energies[cells] = published.to(self.places.device)
        energy: torch.Tensor = self._energies[cells](
            self._compute_heatmaps(image, start_scale, matrix, cells), disturbances
        )
        return energy * matrix[:, :, 0].square().sum(1) if self.per_area else energy

    def score(self, image: torch.Tensor, start_scale: torch.Tensor, matrices: torch.Tensor) -> torch.Tensor:
        """The sum of the squared heatmaps at the places of the parts."""
        points = transform_points(matrices, self.places)  # (M, T, N, 2)
        maps = self._choose_maps(image, start_scale).flatten(0, 1).unsqueeze(1)  # (M N, 1, R, R)
        found = sample_maps(maps, points.transpose(1, 2).flatten(0, 1))
        return found.view(len(image), len(self.places), -1).square().sum(1)

    def agreement(
        self, image: torch.Tensor, start_scale: torch.Tensor, matrix: torch.Tensor, disturbances: torch.Tensor
    ) -> torch.Tensor:
        """The heatmap of each part where the part is expected."""
        maps = self._choose_maps(image, start_scale)
        points = transform_points(matrix, self.places + disturbances)
        return sample_maps(maps, points).diagonal(dim1=1, dim2=2)

    def _choose_maps(self, image: torch.Tensor, start_scale: torch.Tensor) -> torch.Tensor:
        """Heatmaps (M, N, R, R) of the images at the scales next to s1; the last ones are kept for the next step."""
        key = torch.stack([image.to(start_scale), start_scale])
        if self._sources is None or not torch.equal(self._sources[0], key):
            nearest = (start_scale[:, None].log() - self._scales.log()).abs().argmin(1)
            self._sources = (key, self._maps[image, nearest])
        return self._sources[1]

    def _compute_heatmaps(
        self, image: torch.Tensor, start_scale: torch.Tensor, matrix: torch.Tensor, cells: int
    ) -> torch.Tensor:
        """The heatmaps h of the patches, (M, N, cells, cells)."""
        if self.features == "warped":
            return _sample_patch(self._choose_maps(image, start_scale), matrix, cells)
        patches = _sample_patch(self.images[image], matrix, CELL_PX * cells)
        inside = _sample_patch(
            torch.ones_like(self.images[:1, :, :8, :8]).expand(len(image), -1, -1, -1), matrix, cells
        )
        return self.net.heatmaps(self.net.extractor(patches, cells)) * inside


class NccObjective:
    """Minus the normalised cross-correlation of patches with a template (Tiirola 2022), for comparison.

    Images and template are smoothed to ``2 * cells`` pixels a side. Beyond the border of an image lies its mean.

    Args:
        template: (1, 1, S, S), the reference.
        images: (B, 1, S', S').
    """

    def __init__(self, template: torch.Tensor, images: torch.Tensor) -> None:
        self.places = template.new_zeros(0, 2)
        self.template = template
        self.images = images - images.mean((2, 3), keepdim=True)
        self._small: dict[tuple[str, int], torch.Tensor] = {}

    def energy(
        self,
        image: torch.Tensor,
        start_scale: torch.Tensor,
        matrix: torch.Tensor,
        disturbances: torch.Tensor,
        cells: int,
    ) -> torch.Tensor:
        """Minus the correlation of patches with the template."""
        patches = _sample_patch(self._resize("images", 2 * cells)[image], matrix, 2 * cells)
        return -_correlate(patches, self._resize("template", 2 * cells))

    def score(self, image: torch.Tensor, start_scale: torch.Tensor, matrices: torch.Tensor) -> torch.Tensor:
        """The correlation on images of 14 pixels a side."""
        images, template = self._resize("images", 14), self._resize("template", 14)
        scores = [
            _correlate(_sample_patch(images[i : i + 1].expand(len(tried), -1, -1, -1), tried, 14), template)
            for i, tried in zip(image.tolist(), matrices, strict=True)
        ]
        return torch.stack(scores)

    def agreement(
        self, image: torch.Tensor, start_scale: torch.Tensor, matrix: torch.Tensor, disturbances: torch.Tensor
    ) -> torch.Tensor:
        """(M, 0): there are no parts."""
        return matrix.new_zeros(len(image), 0)

    def _resize(self, name: str, size: int) -> torch.Tensor:
        if (name, size) not in self._small:
            whole: torch.Tensor = getattr(self, name)
            self._small[name, size] = functional.interpolate(
                whole, size=(size, size), mode="bilinear", align_corners=False, antialias=True
            )
        return self._small[name, size]


def _sample_patch(images: torch.Tensor, matrix: torch.Tensor, size: int) -> torch.Tensor:
    """u(theta): (M, C, size, size) from images (M, C, H, W), 0 beyond their borders."""
    centers = cell_centers(size).to(matrix)
    x = matrix[:, None, None, :, 0] * centers[:, None]  # sums of a row and a column
    y = matrix[:, None, None, :, 1] * centers[:, None, None] + matrix[:, None, None, :, 2]
    return functional.grid_sample(images, x + y, mode="bilinear", padding_mode="zeros", align_corners=False)


def _correlate(patches: torch.Tensor, template: torch.Tensor) -> torch.Tensor:
    """Normalised cross-correlation, (M,), of (M, 1, S, S) with (1, 1, S, S)."""
    a, b = patches.flatten(1), template.flatten(1)
    a, b = a - a.mean(1, keepdim=True), b - b.mean(1, keepdim=True)
    return (a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1)).clamp_min(1e-6)
