"""The thresholds below which a knee counts as not registered, learnt from the knees of a training."""

from __future__ import annotations

import math
from typing import Any

import torch
from ignite.engine import Engine, Events

from kneebundle.networks.parts import PartsNet
from kneebundle.registration.inferer import RegistrationInferer

__all__ = ["LearnThresholds"]


class LearnThresholds:
    """Handler of a trainer that, at the end of epochs, learns when to say "not registered".

    Some images are registered. What sets them apart from images without a knee lies orders of magnitude away, and some
    of them fail, too, so the thresholds of the network come from their middle: so many deviations below the median of
    log -energy and of the logarithm of the mean agreement, a deviation being 1.48 times the median absolute deviation,
    and no less than ``least_deviation``.

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
        self.network.highest_energy.fill_(-self._find_threshold(-torch.cat(energies)))
        self.network.least_agreement.fill_(self._find_threshold(torch.cat(agreements)))

    def _find_threshold(self, values: torch.Tensor) -> float:
        """What values of this kind, which are positive where something was found, should not be below."""
        logs = values[values > 0].double().log()
        if not len(logs):
            return math.inf
        median = logs.median()
        deviation = max(1.4826 * float((logs - median).abs().median()), self.least_deviation)
        return math.exp(float(median) - self.deviations * deviation)
