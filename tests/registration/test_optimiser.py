"""Registration finds transforms that are known."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from kneebundle.networks.parts import PartsNet
from kneebundle.networks.similarity import similarity_matrix, transform_points
from kneebundle.registration.energies import NccObjective, PartsObjective
from kneebundle.registration.optimiser import Stage, register
from tests.registration.drawn_knees import cut_patch, draw_crop, make_parts

SCALES = (0.85, 1.0, 1.15)
QUICK = (Stage(14, 12, 2), Stage(28, 15, 1))
CORNERS = torch.tensor([[-0.7, -0.7], [0.7, -0.7], [-0.7, 0.7], [0.7, 0.7]])


@pytest.fixture(scope="module")
def knee() -> torch.Tensor:
    return draw_crop()


@pytest.fixture(scope="module")
def parts(repository: Path, knee: torch.Tensor) -> PartsNet:
    return make_parts(repository, knee)


def distance(matrix: torch.Tensor, theta: list[float]) -> float:
    """Mean distance, in [-1, 1], between corners that a registration takes into a patch and where they are in it."""
    cut = similarity_matrix(torch.tensor(theta))
    true = (CORNERS - cut[:, 2]) @ torch.linalg.inv(cut[:, :2]).T
    return float((transform_points(matrix, CORNERS) - true).norm(dim=-1).mean())


def test_identity_comes_back_as_identity(knee: torch.Tensor, parts: PartsNet) -> None:
    found = register(PartsObjective(parts, knee), 1, scales=SCALES, stages=QUICK)
    assert distance(found.matrix[0], [1.0, 0, 0, 0]) < 0.03
    assert float(found.start_scale) == 1.0
    assert found.agreement.shape == (1, 9) and float(found.agreement.min()) > 0.5


def test_known_transforms_of_a_batch_are_found(knee: torch.Tensor, parts: PartsNet) -> None:
    thetas = [[1.15, 0.1, -0.05, 0.05], [0.9, -0.2, 0.15, -0.06]]
    images = torch.cat([cut_patch(knee, theta) for theta in thetas])
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
    found = register(NccObjective(knee, cut_patch(knee, theta)), 1, scales=SCALES, stages=QUICK)
    assert distance(found.matrix[0], theta) < 0.05
    assert float(found.energy) < -0.9 and found.agreement.shape == (1, 0)
    itself = NccObjective(knee, knee)
    matrix = similarity_matrix(torch.tensor([[1.0, 0.0, 0.0, 0.0]]))
    none = torch.zeros(1, 0, 2)
    assert float(itself.energy(torch.tensor([0]), torch.ones(1), matrix, none, 28)) == pytest.approx(-1.0, abs=1e-4)
