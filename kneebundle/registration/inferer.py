"""Registration of a batch as a MONAI inferer."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import torch

from kneebundle.networks.parts import PartsNet
from kneebundle.registration.energies import PartsObjective
from kneebundle.registration.optimiser import Registration, Stage, register

__all__ = ["RegistrationInferer", "is_registered"]


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
    ) -> None:
        self.features = features
        self.sigma = float(sigma)
        self.disturbance_weight = float(disturbance_weight)
        self.per_area = bool(per_area)
        self.reach = float(reach)
        self.stages = [Stage(*stage) for stage in stages]
        self.learning_rate = float(learning_rate)

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
        found = self.register(inputs.as_subclass(torch.Tensor), network)
        seconds = (time.perf_counter() - started) / len(inputs)
        return {
            "theta": found.theta,
            "matrix": found.matrix,
            "energy": found.energy,
            "agreement": found.agreement,
            "registered": is_registered(network, found.energy, found.agreement),
            "seconds": torch.full_like(found.energy, seconds),
        }


def is_registered(network: PartsNet, energy: torch.Tensor, agreement: torch.Tensor) -> torch.Tensor:
    """Whether energies (B,) and agreements (B, N) are as good as on the knees of the training, (B,) bool."""
    return (energy <= network.highest_energy) & (agreement.mean(1) >= network.least_agreement)
