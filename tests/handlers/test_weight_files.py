"""The weights that a training leaves: the best and the last, also after a resume."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from ignite.engine import Engine
from monai.engines import SupervisedEvaluator
from monai.handlers import ValidationHandler

from kneebundle.handlers import WeightFiles
from kneebundle.metrics import PCK, metric_handlers


def train(folder: Path, epochs: int, distances: list[float], state: dict | None = None) -> WeightFiles:
    """A training whose network holds the epoch's number, and whose prediction is as far off as the list says."""
    network = torch.nn.Linear(1, 1, bias=False)
    done = len(distances) - epochs

    def step(engine: Engine, batch: object) -> None:
        with torch.no_grad():
            network.weight.fill_(done + engine.state.epoch)

    trainer = Engine(step)

    def predict(engine: Engine, batch: object) -> list[dict[str, torch.Tensor]]:
        off = torch.zeros(1, 10, 2)
        far = round(distances[done + trainer.state.epoch - 1])
        off[0, :far] = 5.0
        return [{"pred": off[0], "label": torch.zeros(10, 2)}]

    evaluator = SupervisedEvaluator(
        device=torch.device("cpu"),
        val_data_loader=[0],
        network=network,
        iteration_update=predict,
        key_val_metric=dict(metric_handlers({"pck": PCK(1.0)})),
    )
    files = WeightFiles(folder, network, evaluator)
    if state is not None:
        files.load_state_dict(state)
    ValidationHandler(interval=1, validator=evaluator).attach(trainer)
    files.attach(trainer)
    trainer.run([0], max_epochs=epochs)
    return files


def saved_epoch(path: Path) -> float:
    (weight,) = torch.load(path, weights_only=True).values()
    return float(weight)


def test_the_best_and_the_last_weights_are_kept(tmp_path: Path) -> None:
    train(tmp_path, 4, [9, 3, 6, 5])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.pt", "model_last.pt"]
    assert (saved_epoch(tmp_path / "model.pt"), saved_epoch(tmp_path / "model_last.pt")) == (2, 4)


def test_after_a_resume_only_a_better_validation_replaces_the_best_weights(tmp_path: Path) -> None:
    state = train(tmp_path, 2, [9, 3]).state_dict()
    train(tmp_path, 1, [9, 3, 6], state)
    assert (saved_epoch(tmp_path / "model.pt"), saved_epoch(tmp_path / "model_last.pt")) == (2, 3)
    train(tmp_path, 1, [9, 3, 6, 1], state)
    assert saved_epoch(tmp_path / "model.pt") == 4


@pytest.mark.parametrize("error", [OSError("no space left"), KeyboardInterrupt()])
def test_a_training_that_breaks_off_leaves_no_last_weights(tmp_path: Path, error: BaseException) -> None:
    """Scripts and studies take a training whose last weights are there for one that is done."""
    network = torch.nn.Linear(1, 1)

    def step(engine: Engine, batch: object) -> None:
        if engine.state.epoch == 2:
            raise error

    trainer = Engine(step)
    evaluator = SupervisedEvaluator(
        torch.device("cpu"), [0], network, key_val_metric=dict(metric_handlers({"pck": PCK(1.0)}))
    )
    WeightFiles(tmp_path, network, evaluator).attach(trainer)
    with pytest.raises(type(error)):
        trainer.run([0], max_epochs=3)
    assert list(tmp_path.iterdir()) == []
