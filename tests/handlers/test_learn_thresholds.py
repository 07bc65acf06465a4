"""Thresholds learnt on the knees of a training tell knees from noise."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from kneebundle.handlers.learn_thresholds import LearnThresholds
from kneebundle.networks.parts import PartsNet
from kneebundle.registration.inferer import RegistrationInferer, is_registered
from tests.registration.drawn_knees import cut_patch, draw_crop, make_parts


@pytest.fixture(scope="module")
def knee() -> torch.Tensor:
    return draw_crop()


@pytest.fixture(scope="module")
def parts(repository: Path, knee: torch.Tensor) -> PartsNet:
    return make_parts(repository, knee)


def test_thresholds_learnt_on_knees_reject_noise(knee: torch.Tensor, parts: PartsNet) -> None:
    from ignite.engine import Engine

    inferer = RegistrationInferer(stages=[[14, 12, 2], [28, 15, 1]])
    trainer = Engine(lambda engine, batch: None)
    thetas = [[1.0, 0, 0, 0], [1.1, 0.1, 0, 0.05]]
    dataset = [{"image": cut_patch(knee, theta)[0]} for theta in thetas]
    LearnThresholds(parts, dataset, inferer).attach(trainer)
    trainer.run([0], max_epochs=1)
    noise = torch.rand(1, 1, 224, 224, generator=torch.Generator().manual_seed(0)) * 2 - 1
    found = inferer(torch.cat([knee, noise]), parts)
    assert found["registered"].tolist() == [True, False]
    agreement = torch.full((1, 9), float(parts.least_agreement))
    assert bool(is_registered(parts, parts.highest_energy[None], agreement + 1e-4))
    assert not bool(is_registered(parts, parts.highest_energy[None] + 1e-3, agreement + 1e-4))
    assert not bool(is_registered(parts, parts.highest_energy[None], agreement - 1e-3))


def test_one_failure_among_the_training_images_does_not_loosen_the_thresholds() -> None:
    nothing: Any = None
    learn = LearnThresholds(nothing, nothing, nothing, deviations=3.5)
    found = torch.tensor([0.20, 0.22, 0.25, 0.27, 0.30])
    logs = found.log()
    expected = float(logs.median() - 3.5 * 1.4826 * (logs - logs.median()).abs().median())
    assert learn._find_threshold(found) == pytest.approx(math.exp(expected), rel=1e-4)
    assert learn._find_threshold(torch.cat([found[1:], torch.tensor([0.001])])) > 0.1
    assert learn._find_threshold(torch.full((5,), 0.25)) == pytest.approx(0.25 * math.exp(-0.35))
    assert learn._find_threshold(torch.zeros(3)) == math.inf  # nothing was found: then nothing counts as found
