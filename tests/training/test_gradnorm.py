"""GradNorm: one step by hand, a toy problem of two scales, and an engine that is otherwise MONAI's."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from ignite.engine import Events
from torch import nn

from kneebundle.training.gradnorm import GradNorm, GradNormTrainer

SCALES = (1.0, 20.0)


def test_two_steps_by_hand() -> None:
    grad_norm = GradNorm(stages=1, tasks=2, alpha=1.0, learning_rate=0.025)
    # Equal rates: both targets are mean(1, 4) = 2.5, so d = (-1, +4). RMSProp's first step is 0.025 / sqrt(0.01) each.
    grad_norm.update(losses=torch.tensor([[0.5, 2.0]]), norms=torch.tensor([[1.0, 4.0]]))
    torch.testing.assert_close(grad_norm.weights, torch.tensor([[1.25, 0.75]]))
    # Ratios (0.5, 1), rates (2/3, 4/3); G = (1.25, 1.5), targets 1.375 x rates = (0.917, 1.833), so d = (+1, -2).
    # v = (0.99 x 0.01 + 0.01, 0.99 x 0.16 + 0.04) = (0.0199, 0.1984): steps (-0.17722, +0.11225), then rescaled
    # to a sum of 2.
    grad_norm.update(losses=torch.tensor([[0.25, 2.0]]), norms=torch.tensor([[1.0, 2.0]]))
    torch.testing.assert_close(grad_norm.weights, torch.tensor([[1.10880, 0.89120]]), atol=1e-5, rtol=0)


def test_each_stage_is_for_itself_and_alpha_0_minds_no_rates() -> None:
    grad_norm = GradNorm(stages=2, tasks=2, alpha=0.0)
    grad_norm.update(torch.ones(2, 2), torch.tensor([[1.0, 3.0], [3.0, 1.0]]))
    torch.testing.assert_close(grad_norm.weights, torch.tensor([[1.25, 0.75], [0.75, 1.25]]))
    grad_norm.update(torch.tensor([[1.0, 0.1], [1.0, 0.1]]), torch.ones(2, 2))
    torch.testing.assert_close(grad_norm.weights[0], grad_norm.weights[1].flip(0))


def test_weights_stay_positive_and_sum_up_to_the_number_of_tasks() -> None:
    grad_norm = GradNorm(stages=1, tasks=3, learning_rate=0.5)
    for _ in range(20):
        grad_norm.update(torch.ones(1, 3), torch.tensor([[1e-3, 1.0, 1e3]]))
        assert bool((grad_norm.weights > 0).all())
        assert grad_norm.weights.sum().item() == pytest.approx(3.0, rel=1e-5)


def test_a_task_without_labels_at_first_is_counted_from_its_first_loss_on() -> None:
    grad_norm = GradNorm(stages=1, tasks=2)
    grad_norm.update(torch.tensor([[2.0, 0.0]]), torch.tensor([[1.0, 0.0]]))
    grad_norm.update(torch.tensor([[1.0, 4.0]]), torch.tensor([[1.0, 1.0]]))
    assert grad_norm.first_losses.tolist() == [[2.0, 4.0]]
    assert bool(torch.isfinite(grad_norm.weights).all())


class Toy(nn.Module):
    """Two regressions on shared features, like those of section 4.1 of the GradNorm paper."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Linear(10, 32)
        self.shared = nn.Linear(32, 32)
        heads = [nn.Linear(32, 10), nn.Linear(32, 10)]
        self.heads = nn.ModuleList(heads)
        for head in heads:
            nn.init.normal_(head.weight, std=0.05)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        features = torch.tanh(self.shared(torch.tanh(self.first(x))))
        return torch.stack([head(features) for head in self.heads], dim=1)

    def shared_layers(self) -> list[nn.Module]:
        return [self.shared]


def squares(pred: torch.Tensor, target: torch.Tensor) -> list[list[torch.Tensor]]:
    """One stage, two tasks, the losses of very different scale."""
    return [[scale * (pred[:, i] - target[:, i]).square().mean() for i, scale in enumerate(SCALES)]]


def toy_batch() -> dict[str, torch.Tensor]:
    """Targets tanh((B + E_t) x): two related tasks."""
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(64, 10, generator=generator)
    base = torch.randn(10, 10, generator=generator)
    own = [0.5 * torch.randn(10, 10, generator=generator) for _ in SCALES]
    return {"image": x, "label": torch.stack([torch.tanh(0.3 * x @ (base + e)) for e in own], dim=1)}


def trainer(iterations: int = 1, **kwargs: Any) -> GradNormTrainer:
    network = Toy()
    settings: dict[str, Any] = {
        "device": "cpu",
        "max_epochs": 1,
        "train_data_loader": [toy_batch()] * iterations,
        "network": network,
        "optimizer": torch.optim.SGD(network.parameters(), lr=0.02),
        "loss_function": squares,
        "decollate": False,
        "tasks": ("small", "large"),
    }
    return GradNormTrainer(**{**settings, **kwargs})


def what_is_left(weighting: str) -> list[float]:
    """Of each task's first loss, after 300 steps."""
    first = torch.stack(squares(Toy()(toy_batch()["image"]), toy_batch()["label"])[0])
    engine = trainer(300, weighting=weighting)
    engine.run()
    left: list[float] = (engine.state.task_losses[0] / first).tolist()
    return left


def test_gradnorm_brings_the_training_rates_together_where_equal_weights_do_not() -> None:
    small, large = what_is_left("equal")
    assert small > 5 * large, "with equal weights the task of the larger loss runs ahead"
    balanced_small, balanced_large = what_is_left("gradnorm")
    assert balanced_small == pytest.approx(balanced_large, rel=0.1)
    assert balanced_small < small


def test_what_goes_backwards_is_the_sum_of_weighted_losses_with_the_weights_of_before() -> None:
    engine = trainer(2, weighting="gradnorm")
    seen: list[tuple[float, torch.Tensor, torch.Tensor]] = []
    engine.add_event_handler(
        Events.ITERATION_COMPLETED,
        lambda e: seen.append((e.state.output["loss"].item(), e.state.task_losses, e.state.task_weights)),
    )
    engine.run()
    assert seen[0][0] == pytest.approx(seen[0][1].sum().item(), rel=1e-6)
    assert seen[0][2].tolist() != [[1.0, 1.0]]
    assert seen[1][0] == pytest.approx((seen[0][2] * seen[1][1]).sum().item(), rel=1e-6)


def test_the_gradient_norms_are_those_on_the_shared_layer() -> None:
    engine = trainer()
    batch = toy_batch()
    losses = squares(engine.network(batch["image"]), batch["label"])
    norms = engine._gradient_norms(losses)
    for task in range(2):
        engine.network.zero_grad()
        squares(engine.network(batch["image"]), batch["label"])[0][task].backward()
        shared: Any = engine.network.shared
        expected = torch.cat([shared.weight.grad.flatten(), shared.bias.grad]).norm()
        torch.testing.assert_close(norms[0, task], expected)


def test_a_scaler_changes_neither_the_norms_nor_the_weights_and_its_overflow_is_passed_over() -> None:
    plain, scaled = trainer(3), trainer(3)
    scaled.amp, scaled.amp_kwargs = True, {"enabled": False}
    scaled.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**12)  # type: ignore[assignment]
    for engine in (plain, scaled):
        engine.run()
    torch.testing.assert_close(scaled.state.task_weights, plain.state.task_weights)
    torch.testing.assert_close(scaled.network.state_dict(), plain.network.state_dict())
    too_large: Any = trainer()
    too_large._gradient_norms = lambda losses: torch.tensor([[1.0, torch.inf]])
    too_large.run()
    assert too_large.state.task_weights.tolist() == [[1.0, 1.0]]


def test_fixed_weights_stay_and_are_needed_where_they_are_asked_for() -> None:
    engine = trainer(2, weighting="fixed", task_weights=[0.5, 2.0])
    engine.run()
    assert engine.state.task_weights.tolist() == [[0.5, 2.0]]
    assert engine.state.output["loss"].item() == pytest.approx(
        (engine.state.task_losses * torch.tensor([0.5, 2.0])).sum().item(), rel=1e-6
    )
    with pytest.raises(ValueError, match="only then"):
        trainer(weighting="fixed")
    with pytest.raises(ValueError, match="only then"):
        trainer(weighting="equal", task_weights=[1.0, 1.0])
    with pytest.raises(ValueError, match="2 task_weights"):
        trainer(weighting="fixed", task_weights=[1.0])


def test_a_step_of_gradnorm_can_be_left_out() -> None:
    engine = trainer(2, weight_interval=3)
    engine.run()
    assert engine.state.task_weights.tolist() == [[1.0, 1.0]]


def test_weights_are_part_of_the_state() -> None:
    first = trainer(3)
    first.run()
    second = trainer(3)
    second.load_state_dict(first.state_dict())
    for engine in (first, second):
        engine.grad_norm.update(torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 4.0]]))
    assert torch.equal(first.grad_norm.weights, second.grad_norm.weights)
    assert torch.equal(first.grad_norm.first_losses, second.grad_norm.first_losses)


def test_settings_that_cannot_work_are_errors() -> None:
    with pytest.raises(ValueError, match="weighting is one of"):
        trainer(weighting="uncertainty")
    network = nn.Linear(10, 2)
    with pytest.raises(ValueError, match="shared_layers"):
        trainer(network=network)
    with pytest.raises(ValueError, match="1 stages and 3 tasks"):
        trainer(tasks=("a", "b", "c")).run()
