"""What a training and a validation log."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch
from ignite.engine import Engine
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from kneebundle.handlers import training_logs, validation_logs
from kneebundle.metrics import PCK, metric_handlers


def scalars(folder: Path) -> dict[str, list[float]]:
    events = EventAccumulator(str(folder))
    events.Reload()
    return {tag: [event.value for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def test_the_loss_of_every_iteration_is_in_tensorboard(tmp_path: Path) -> None:
    trainer = Engine(lambda engine, batch: {"loss": torch.tensor(float(batch))})
    for handler in training_logs(str(tmp_path)):
        handler.attach(trainer)
    trainer.run([3, 1], max_epochs=2)
    assert scalars(tmp_path)["train_loss"] == [3, 1, 3, 1]


def test_the_metrics_of_every_validation_are_in_tensorboard_and_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    evaluator = Engine(lambda engine, batch: [{"pred": torch.zeros(4, 2), "label": torch.eye(4)[:, :2] * 5}])
    metric_handlers({"pck_2mm": PCK(2.0)})["pck_2mm"].attach(evaluator, "pck_2mm")
    for handler in validation_logs(str(tmp_path)):
        handler.attach(evaluator)
    with caplog.at_level(logging.INFO):
        evaluator.run([0])
    assert scalars(tmp_path) == {"pck_2mm": [50.0]}
    assert "pck_2mm: 50.0" in caplog.text


def test_other_processes_than_the_main_one_log_nothing(tmp_path: Path) -> None:
    assert training_logs(str(tmp_path), enabled=False) == validation_logs(str(tmp_path), enabled=False) == []
