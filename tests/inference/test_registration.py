"""Registration finds transforms that are known, leaves noise alone, and mirrors left knees."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from kneebundle.datasets.phantoms.knee_pa import draw_knee
from kneebundle.inference.objectives import NccObjective, PartsObjective
from kneebundle.inference.registration import Stage, register
from kneebundle.inference.registration_inferer import LearnThresholds, RegistrationInferer, is_registered
from kneebundle.networks.features import HourglassFeatures
from kneebundle.networks.parts import PartsNet
from kneebundle.networks.similarity import moved, similarity_matrix
from kneebundle.transforms.fill import fill_outside
from kneebundle.transforms.normalize import normalize_percentiles
from kneebundle.transforms.similarity import square_image, warp_image

SCALES = (0.85, 1.0, 1.15)
QUICK = (Stage(14, 12, 2), Stage(28, 15, 1))
CORNERS = torch.tensor([[-0.7, -0.7], [0.7, -0.7], [-0.7, 0.7], [0.7, 0.7]])


@pytest.fixture(scope="module")
def knee() -> torch.Tensor:
    """A drawn knee as the parts see it, (1, 1, 224, 224)."""
    radiograph, _ = draw_knee(np.random.default_rng(3), side="R", size_mm=105.0)
    image = fill_outside(normalize_percentiles(square_image(radiograph.to_metatensor())), "edge")
    return image.as_tensor()[None]


@pytest.fixture(scope="module")
def parts(repository, knee: torch.Tensor) -> PartsNet:  # type: ignore[no-untyped-def]
    weights = repository / "bundles" / "knee_landmark_localization" / "models" / "model.pt"
    extractor = HourglassFeatures(levels=2)
    extractor.load_landmark_network(torch.load(weights, weights_only=True))
    extractor.calibrate(knee)
    net = PartsNet(extractor, channels=128, sharpness=3.0)
    net.set_reference(knee)
    net.settle()
    return net


def patch(knee: torch.Tensor, theta: list[float]) -> torch.Tensor:
    """What is cut from the knee by theta."""
    from monai.data import MetaTensor

    return warp_image(MetaTensor(knee[0]), similarity_matrix(torch.tensor(theta))).as_tensor()[None]


def distance(matrix: torch.Tensor, theta: list[float]) -> float:
    """Mean distance, in [-1, 1], between corners that a registration takes into a patch and where they are in it."""
    cut = similarity_matrix(torch.tensor(theta))
    true = (CORNERS - cut[:, 2]) @ torch.linalg.inv(cut[:, :2]).T
    return float((moved(matrix, CORNERS) - true).norm(dim=-1).mean())


def test_identity_comes_back_as_identity(knee: torch.Tensor, parts: PartsNet) -> None:
    found = register(PartsObjective(parts, knee), 1, scales=SCALES, stages=QUICK)
    assert distance(found.matrix[0], [1.0, 0, 0, 0]) < 0.03
    assert float(found.start_scale) == 1.0
    assert found.agreement.shape == (1, 9) and float(found.agreement.min()) > 0.5


def test_known_transforms_of_a_batch_are_found(knee: torch.Tensor, parts: PartsNet) -> None:
    thetas = [[1.15, 0.1, -0.05, 0.05], [0.9, -0.2, 0.15, -0.06]]
    images = torch.cat([patch(knee, theta) for theta in thetas])
    found = register(PartsObjective(parts, images), 2, scales=SCALES, stages=QUICK)
    for matrix, theta in zip(found.matrix, thetas, strict=True):
        assert distance(matrix, [1.0, 0, 0, 0]) > 0.1
        assert distance(matrix, theta) < 0.08
    alone = register(PartsObjective(parts, images[1:]), 1, scales=SCALES, stages=QUICK)
    torch.testing.assert_close(
        alone.matrix[0], found.matrix[1], atol=1e-2, rtol=0
    )  # sums in another order, after 27 steps


def test_warped_and_recomputed_features_agree(knee: torch.Tensor, parts: PartsNet) -> None:
    """At the scale that the features of whole images were computed at, the energies of both modes are alike."""
    matrix = similarity_matrix(torch.tensor([[1.0, 0.0, 0.0, 0.0]]))
    arguments = (torch.tensor([0]), torch.tensor([1.0]), matrix, torch.zeros(1, 9, 2), 28)
    warped = PartsObjective(parts, knee, "warped", pyramid=(28,)).energy(*arguments)
    recomputed = PartsObjective(parts, knee, "recomputed", pyramid=(28,)).energy(*arguments)
    torch.testing.assert_close(warped, recomputed, rtol=1e-3, atol=0)
    with pytest.raises(ValueError, match="warped, recomputed"):
        PartsObjective(parts, knee, "guessed")


def test_the_energy_per_area_of_the_image_does_not_reward_magnifying(knee: torch.Tensor, parts: PartsNet) -> None:
    matrix = similarity_matrix(torch.tensor([[0.7, 0.1, 0.0, 0.05]]))
    arguments = (torch.tensor([0]), torch.tensor([0.7]), matrix, torch.zeros(1, 9, 2), 14)
    published = PartsObjective(parts, knee, per_area=False).energy(*arguments)
    torch.testing.assert_close(PartsObjective(parts, knee).energy(*arguments), 0.49 * published)


def test_cross_correlation_finds_a_transform_too(knee: torch.Tensor) -> None:
    theta = [1.1, 0.1, -0.05, 0.03]
    found = register(NccObjective(knee, patch(knee, theta)), 1, scales=SCALES, stages=QUICK)
    assert distance(found.matrix[0], theta) < 0.05
    assert float(found.energy) < -0.9 and found.agreement.shape == (1, 0)
    itself = NccObjective(knee, knee)
    matrix = similarity_matrix(torch.tensor([[1.0, 0.0, 0.0, 0.0]]))
    none = torch.zeros(1, 0, 2)
    assert float(itself.energy(torch.tensor([0]), torch.ones(1), matrix, none, 28)) == pytest.approx(-1.0, abs=1e-4)


def test_thresholds_learnt_on_knees_refuse_noise(knee: torch.Tensor, parts: PartsNet) -> None:
    from ignite.engine import Engine

    inferer = RegistrationInferer(stages=[[14, 12, 2], [28, 15, 1]])
    trainer = Engine(lambda engine, batch: None)
    thetas = [[1.0, 0, 0, 0], [1.1, 0.1, 0, 0.05]]
    dataset = [{"image": patch(knee, theta)[0]} for theta in thetas]
    LearnThresholds(parts, dataset, inferer).attach(trainer)
    trainer.run([0], max_epochs=1)
    noise = torch.rand(1, 1, 224, 224, generator=torch.Generator().manual_seed(0)) * 2 - 1
    answer = inferer(torch.cat([knee, noise]), parts)
    assert answer["registered"].tolist() == [True, False]
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
    assert learn._lowest(found) == pytest.approx(math.exp(expected), rel=1e-4)
    assert learn._lowest(torch.cat([found[1:], torch.tensor([0.001])])) > 0.1
    assert learn._lowest(torch.full((5,), 0.25)) == pytest.approx(0.25 * math.exp(-0.35))
    assert learn._lowest(torch.zeros(3)) == math.inf  # nothing was found: then nothing counts as found
