"""Registration of a batch in the form that MONAI's engines take, and the thresholds and points that follow from it."""

from __future__ import annotations

import math
import time
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from ignite.engine import Engine, Events
from monai.transforms import Transform

from kneebundle.inference.objectives import PartsObjective
from kneebundle.inference.registration import Registered, Stage, register
from kneebundle.networks.parts import PartsNet
from kneebundle.networks.similarity import fitted_similarity, moved
from kneebundle.transforms.points import normalized_to_world

__all__ = ["LearnThresholds", "RegisteredPoints", "RegistrationInferer", "is_registered"]


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

    def register(self, images: torch.Tensor, network: PartsNet) -> Registered:
        """The transforms of images (B, 1, S, S)."""
        objective = PartsObjective(network, images, self.features, self.sigma, self.disturbance_weight, self.per_area)
        with torch.enable_grad():
            return register(
                objective, len(images), reach=self.reach, stages=self.stages, learning_rate=self.learning_rate
            )

    def __call__(self, inputs: torch.Tensor, network: PartsNet, *args: Any, **kwargs: Any) -> dict[str, torch.Tensor]:
        """``theta`` (B, 4), ``matrix`` (B, 2, 3), ``energy``, ``registered``, ``seconds`` (B,) and ``agreement`` (B, N)."""
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
    """(B,) whether energies (B,) and agreements (B, N) are as they were on the training's knees."""
    return (energy <= network.highest_energy) & (agreement.mean(1) >= network.least_agreement)


class LearnThresholds:
    """Handler of a trainer that, at the end of epochs, learns when to say "not registered".

    Some images are registered. What sets them apart from images without a knee lies orders of magnitude away, and some of them fail, too,
    so the thresholds of the network come from their middle: so many deviations below the median of log -energy and of the logarithm of the
    mean agreement, a deviation being 1.48 times the median absolute deviation, and no less than ``least_deviation``.

    Args:
        network: the parts.
        dataset: of images (1, S, S), perturbed as crops to come may be; its first ``count`` are taken.
        inferer: as in inference.
        count: images.
        deviations: below the median.
        least_deviation: of either logarithm; a tenth is ten percent.
        interval: epochs between; the last epoch always counts.
    """

    def __init__(
        self,
        network: PartsNet,
        dataset: Any,
        inferer: RegistrationInferer,
        count: int = 48,
        deviations: float = 3.5,
        least_deviation: float = 0.1,
        interval: int = 1,
    ) -> None:
        self.network = network
        self.dataset = dataset
        self.inferer = inferer
        self.count = int(count)
        self.deviations = float(deviations)
        self.least_deviation = float(least_deviation)
        self.interval = int(interval)

    def attach(self, engine: Engine) -> None:
        """Attach to the trainer."""
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._learn)

    def _learn(self, engine: Engine) -> None:
        if engine.state.epoch % self.interval and engine.state.epoch != engine.state.max_epochs:
            return
        device = self.network.places.device
        energies, agreements = [], []
        for first in range(0, min(self.count, len(self.dataset)), 8):
            chosen = range(first, min(first + 8, self.count, len(self.dataset)))
            images = torch.stack([torch.as_tensor(self.dataset[i]["image"]).as_subclass(torch.Tensor) for i in chosen])
            found = self.inferer.register(images.to(device), self.network)
            energies.append(found.energy)
            agreements.append(found.agreement.mean(1))
        self.network.highest_energy.fill_(-self._lowest(-torch.cat(energies)))
        self.network.least_agreement.fill_(self._lowest(torch.cat(agreements)))

    def _lowest(self, values: torch.Tensor) -> float:
        """What a value of this kind, which is positive where something was found, should not be below."""
        logs = values[values > 0].double().log()
        if not len(logs):
            return math.inf
        median = logs.median()
        deviation = max(1.4826 * float((logs - median).abs().median()), self.least_deviation)
        return math.exp(float(median) - self.deviations * deviation)


class RegisteredPoints(Transform):
    """Postprocessing that makes the residual of a registration a distance of points, so that landmark metrics can tell it.

    ``label`` becomes the reference's landmarks taken into the image by the best similarity onto the image's own landmarks: what a
    perfect registration would give, as far as the knee has the reference's shape and the labels are right. ``pred`` becomes the
    reference's landmarks taken there by the registration. Both are in mm of the world.

    Args:
        network: the parts, with the reference's landmarks.
        nothing: take the image as it is instead of the registration.
    """

    def __init__(self, network: PartsNet, nothing: bool = False) -> None:
        self.network = network
        self.nothing = nothing

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        reference = self.network.landmarks.double().cpu()
        own = torch.as_tensor(d["label"]).double().cpu() * 2 - 1
        best = moved(fitted_similarity(reference, own), reference)
        found = reference if self.nothing else moved(d["pred"]["matrix"].double().cpu(), reference)
        d["label"] = normalized_to_world((best + 1) / 2, d["image"])
        d["pred"] = normalized_to_world((found + 1) / 2, d["image"])
        return d
