"""A training that was interrupted and resumed gives the same weights, and the mean of the weights is what is kept."""

from pathlib import Path

import pytest
import torch

from kneebundle.training.averaged_training import TrainingPlan, train_averaged

PLAN = TrainingPlan(steps=8, learning_rate=0.1, weight_decay=0.0, warm_up_steps=2, average_decay=0.5, save_every=3)


def _network() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 1))


def _train(network: torch.nn.Module, folder: Path, stop_at: int | None = None) -> dict[str, torch.Tensor]:
    class Stop(Exception):
        pass

    def compute_loss(step: int) -> torch.Tensor:
        if step == stop_at:
            raise Stop
        images = torch.randn(6, 3, generator=torch.Generator().manual_seed(step))
        loss: torch.Tensor = (network(images) - images.sum(1, keepdim=True)).square().mean()
        return loss

    try:
        return train_averaged(network, compute_loss, folder, PLAN)
    except Stop:
        return {}


def test_a_resumed_training_gives_the_same_weights(tmp_path: Path) -> None:
    whole = _train(_network(), tmp_path / "whole")
    assert _train(_network(), tmp_path / "parts", stop_at=5) == {}  # after the checkpoint of step 3
    again = _train(_network(), tmp_path / "parts")
    stored = torch.load(tmp_path / "parts/model.pt", weights_only=True)
    for name, value in whole.items():
        torch.testing.assert_close(again[name], value, rtol=0, atol=0)
        torch.testing.assert_close(stored[name], value, rtol=0, atol=0)


def test_a_finished_training_is_not_repeated(tmp_path: Path) -> None:
    first = _train(_network(), tmp_path)
    again = _train(_network(), tmp_path, stop_at=0)
    assert again.keys() == first.keys()


def test_the_mean_follows_the_weights_and_integers_are_copied(tmp_path: Path) -> None:
    network = _network()
    weights: list[torch.Tensor] = []

    def compute_loss(step: int) -> torch.Tensor:
        weights.append(network.state_dict()["0.weight"].clone())
        loss: torch.Tensor = (
            network(torch.ones(2, 3) * torch.tensor([[1.0], [2.0]])).sum() ** 2
            + network(torch.randn(4, 3, generator=torch.Generator().manual_seed(step))).square().mean()
        )
        return loss

    average = train_averaged(network, compute_loss, tmp_path, PLAN)
    weights.append(network.state_dict()["0.weight"])
    mean = weights[0]
    for step, value in enumerate(weights[1:]):
        decay = min(0.5, (step + 1) / (step + 11))
        mean = mean * decay + value * (1 - decay)
    torch.testing.assert_close(average["0.weight"], mean)
    assert average["1.num_batches_tracked"] == network.state_dict()["1.num_batches_tracked"]
    assert not torch.equal(average["0.weight"], weights[-1])


def test_the_rate_rises_and_falls() -> None:
    plan = TrainingPlan(steps=100, learning_rate=1.0, warm_up_steps=10, last_rate=0.02)
    factors = [plan.factor(step) for step in range(101)]
    assert factors[0] == pytest.approx(0.1, abs=0.001) and max(factors) == factors[9]
    assert factors[-1] == pytest.approx(0.02)
