"""The course of the task weights: table, plot, TensorBoard, and what a resumed training knows of it."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ignite.engine import Engine

from kneebundle.handlers.task_weights import TaskWeightLog, plot_task_weights


class Writer:
    def __init__(self) -> None:
        self.scalars: dict[tuple[str, int], float] = {}

    def add_scalar(self, tag: str, value: float, step: int) -> None:
        self.scalars[tag, step] = value


def train(log: TaskWeightLog, epochs: int, first: int = 1) -> None:
    """Two iterations an epoch with weights (e, 2) and (e + 1, 2) in epoch e, and losses of 1 and 3."""

    def step(engine: Engine, number: int) -> None:
        state: Any = engine.state
        state.task_weights = torch.tensor([[float(engine.state.epoch + number), 2.0]])
        state.task_losses = torch.tensor([[1.0 + 2.0 * number, 0.5]])

    engine = Engine(step)
    engine.tasks = ("bones", "points")  # type: ignore[attr-defined]
    log.attach(engine)
    engine.load_state_dict({"epoch": first - 1, "max_epochs": first - 1 + epochs, "epoch_length": 2})
    engine.run([0, 1], max_epochs=first - 1 + epochs)


def rows(path: Path) -> list[list[str]]:
    with path.open() as file:
        return list(csv.reader(file))


def test_the_means_of_each_epoch_are_kept_and_drawn(tmp_path: Path) -> None:
    writer = Writer()
    train(TaskWeightLog(tmp_path / "out" / "weights", summary_writer=writer), 2)
    table = rows(tmp_path / "out" / "weights.csv")
    assert table[0] == ["epoch", "stage", "task", "weight", "loss"]
    assert table[1:] == [
        ["1", "1", "bones", "1.50000", "2"],
        ["1", "1", "points", "2.00000", "0.5"],
        ["2", "1", "bones", "2.50000", "2"],
        ["2", "1", "points", "2.00000", "0.5"],
    ]
    assert writer.scalars["task_weights/stage1/bones", 2] == pytest.approx(2.5)
    assert writer.scalars["task_losses/stage1/bones", 1] == pytest.approx(2.0)
    assert (tmp_path / "out" / "weights.png").read_bytes().startswith(b"\x89PNG")


def test_a_resumed_training_has_the_whole_course(tmp_path: Path) -> None:
    first = TaskWeightLog(tmp_path / "weights", summary_writer=Writer())
    train(first, 1)
    torch.save(first.state_dict(), tmp_path / "state.pt")
    second = TaskWeightLog(tmp_path / "weights", summary_writer=Writer())
    second.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    train(second, 1, first=2)
    assert [row[0] for row in rows(tmp_path / "weights.csv")[1:]] == ["1", "1", "2", "2"]


def test_the_plot_has_a_panel_a_stage(tmp_path: Path) -> None:
    from PIL import Image

    widths = []
    for stages in (1, 4):
        plot_task_weights([1, 2, 3], np.ones((3, stages, 2)), ["a", "b"], tmp_path / "plot.png")
        widths.append(Image.open(tmp_path / "plot.png").width)
    assert widths[1] > 2 * widths[0]
