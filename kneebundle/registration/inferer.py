"""Registration of a batch as a MONAI inferer."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import torch

from kneebundle.networks.parts import PartsNet
from kneebundle.registration.energies import PartsObjective
from kneebundle.registration.optimiser import Registration, Stage, register
from kneebundle.transforms.equalize import equalize_region

__all__ = ["RegistrationInferer", "is_registered"]

_NEIGHBORHOOD = 1 / 8
"""Of the edge of an image: the squares of which histograms are taken."""


class RegistrationInferer:
    """Register images by the parts of a network; see :func:`register` and :class:`PartsObjective`.

    Args:
        features: ``"warped"`` or ``"recomputed"``.
        sigma: of blobs and denoising.
        disturbance_weight: lambda of equation 2.
        per_area: the energy is per area of the image, not of the patch.
        reach: how far beyond the border a patch may reach.
        stages: (cells, steps, keep) of each stage.
        learning_rate: of the optimiser.
        equalizes: try images that are not registered once more, with their contrast equalised as in the crops that
            parts are selected on.
    """

    def __init__(
        self,
        features: str = "warped",
        sigma: float = 0.08,
        disturbance_weight: float = 1e-6,
        per_area: bool = True,
        reach: float = 0.35,
        stages: Sequence[Sequence[int]] = ((14, 20, 4), (28, 30, 1)),
        learning_rate: float = 0.1,
        equalizes: bool = True,
    ) -> None:
        self.features = features
        self.sigma = float(sigma)
        self.disturbance_weight = float(disturbance_weight)
        self.per_area = bool(per_area)
        self.reach = float(reach)
        self.stages = [Stage(*stage) for stage in stages]
        self.learning_rate = float(learning_rate)
        self.equalizes = bool(equalizes)

    def register(self, images: torch.Tensor, network: PartsNet) -> Registration:
        """Register images (B, 1, S, S)."""
        objective = PartsObjective(network, images, self.features, self.sigma, self.disturbance_weight, self.per_area)
        with torch.enable_grad():
            return register(
                objective, len(images), reach=self.reach, stages=self.stages, learning_rate=self.learning_rate
            )

    def __call__(self, inputs: torch.Tensor, network: PartsNet, *args: Any, **kwargs: Any) -> dict[str, torch.Tensor]:
        """Register images (B, 1, S, S).

        Returns:
            ``theta`` (B, 4), ``matrix`` (B, 2, 3), ``energy``, ``registered``, ``seconds`` (B,), ``agreement`` (B, N).
        """
        started = time.perf_counter()
        images = inputs.as_subclass(torch.Tensor)
        found = self._find(images, network)
        left = torch.nonzero(~found["registered"]).flatten()
        if self.equalizes and len(left):
            again = self._find(_equalize(images[left]), network)
            place = left[again["registered"]]
            for name, values in again.items():
                found[name][place] = values[again["registered"]]
        seconds = (time.perf_counter() - started) / len(inputs)
        return {**found, "seconds": torch.full_like(found["energy"], seconds)}

    def _find(self, images: torch.Tensor, network: PartsNet) -> dict[str, torch.Tensor]:
        found = self.register(images, network)
        return {
            "theta": found.theta,
            "matrix": found.matrix,
            "energy": found.energy,
            "agreement": found.agreement,
            "registered": is_registered(network, found.energy, found.agreement),
        }


def _equalize(images: torch.Tensor) -> torch.Tensor:
    """Equalise images (B, 1, S, S) in [-1, 1], whose size in mm need not be known."""
    edge = images.shape[-1]
    equal = [equalize_region(image, spacing_mm=1 / edge, neighborhood_mm=_NEIGHBORHOOD) for image in images.cpu()]
    return torch.stack(equal).to(images) * 2 - 1


def is_registered(network: PartsNet, energy: torch.Tensor, agreement: torch.Tensor) -> torch.Tensor:
    """Whether energies (B,) and agreements (B, N) are as good as on the knees of the training, (B,) bool."""
    return (energy <= network.highest_energy) & (agreement.mean(1) >= network.least_agreement)
