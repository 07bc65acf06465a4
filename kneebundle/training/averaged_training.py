"""A training loop that keeps a running mean of the weights and resumes where it was interrupted."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from kneebundle.io.writing import write_atomically

__all__ = ["TrainingPlan", "train_averaged"]


@dataclass(frozen=True)
class TrainingPlan:
    """How long and how fast a network learns, with AdamW.

    Attributes:
        steps: in all.
        learning_rate: the largest one; it rises over the warm-up and falls along a cosine.
        weight_decay: of AdamW.
        warm_up_steps: steps until the largest rate.
        last_rate: share of the learning rate that is left at the end.
        largest_gradient: norm that gradients are clipped to.
        average_decay: of the running mean of the weights; less in the first steps.
        save_every: steps between checkpoints.
    """

    steps: int
    learning_rate: float
    weight_decay: float = 1e-4
    warm_up_steps: int = 100
    last_rate: float = 0.0
    largest_gradient: float = 5.0
    average_decay: float = 0.998
    save_every: int = 50

    def factor(self, step: int) -> float:
        """Compute the factor on the learning rate in a step.

        Example:
            >>> plan = TrainingPlan(steps=200, learning_rate=1e-3, warm_up_steps=10)
            >>> [round(plan.factor(step), 3) for step in (0, 9, 100, 200)]
            [0.1, 0.995, 0.5, 0.0]
        """
        warm_up = min(1.0, (step + 1) / max(1, self.warm_up_steps))
        falling = 0.5 * (1 + math.cos(math.pi * min(1.0, step / self.steps)))
        return warm_up * (self.last_rate + (1 - self.last_rate) * falling)


def train_averaged(
    network: nn.Module,
    compute_loss: Callable[[int], torch.Tensor],
    output_dir: Path,
    plan: TrainingPlan,
    report: Callable[[int, float, dict[str, torch.Tensor]], None] | None = None,
) -> dict[str, torch.Tensor]:
    """Train a network, and keep a running mean of its weights.

    Args:
        network: is trained in place.
        compute_loss: gives the loss of the network in a step. What it draws must depend on the step's number alone, so
            that a resumed training is the same.
        output_dir: gets ``checkpoint.pt``, from which an interrupted training resumes, and ``model.pt``, the mean of
            the weights, at each checkpoint. Made if it is not there.
        plan: steps and rates.
        report: called at each checkpoint with the number of steps done, the mean loss since the last, and the mean of
            the weights.

    Returns:
        The mean of the weights, as in ``model.pt``.
    """
    output_dir.mkdir(parents=True, exist_ok=True)
    optimizer = torch.optim.AdamW(network.parameters(), lr=plan.learning_rate, weight_decay=plan.weight_decay)
    average = {name: value.clone() for name, value in network.state_dict().items()}
    first, checkpoint = 0, output_dir / "checkpoint.pt"
    if checkpoint.is_file():
        state = torch.load(checkpoint, map_location=next(network.parameters()).device, weights_only=True)
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        average, first = state["average"], int(state["step"])
    network.train()
    losses: list[float] = []
    for step in range(first, plan.steps):
        for group in optimizer.param_groups:
            group["lr"] = plan.learning_rate * plan.factor(step)
        loss = compute_loss(step)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), plan.largest_gradient)
        optimizer.step()
        losses.append(float(loss.detach()))
        _update_average(average, network, min(plan.average_decay, (step + 1) / (step + 11)))
        if (step + 1) % plan.save_every == 0 or step + 1 == plan.steps:
            state = {"network": network.state_dict(), "optimizer": optimizer.state_dict()}
            _save({**state, "average": average, "step": step + 1}, checkpoint)
            _save(average, output_dir / "model.pt")
            if report is not None:
                report(step + 1, float(np.mean(losses)), average)
            losses = []
    return average


def _update_average(average: dict[str, torch.Tensor], network: nn.Module, decay: float) -> None:
    for name, value in network.state_dict().items():
        average[name] = average[name] * decay + value * (1 - decay) if value.is_floating_point() else value.clone()


def _save(state: object, path: Path) -> None:
    with write_atomically(path) as temporary:
        torch.save(state, temporary)
