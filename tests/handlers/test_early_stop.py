"""Early stop: when it ends a training, and that it is resumed."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Engine, Events

from kneebundle.handlers.early_stop import EarlyStop
from tests.handlers.resumed_training import train


def epochs_with_scores(scores: list[float], patience: int, greater_is_better: bool) -> int:
    """Epochs that a training makes whose validations have these scores."""
    trainer, evaluator = Engine(lambda *_: None), Engine(lambda *_: None)
    state: Any = evaluator.state
    state.key_metric_name = "score"
    EarlyStop(patience, evaluator, greater_is_better).attach(trainer)  # type: ignore[arg-type]

    def validate(engine: Engine) -> None:
        evaluator.run([0])

    @evaluator.on(Events.ITERATION_COMPLETED)
    def give_score(engine: Engine) -> None:
        engine.state.metrics["score"] = scores[trainer.state.epoch - 1]

    trainer.add_event_handler(Events.EPOCH_COMPLETED, validate)
    trainer.run([0], max_epochs=len(scores))
    return trainer.state.epoch


@pytest.mark.parametrize(
    ("scores", "patience", "greater_is_better", "epochs"),
    [
        ([0.5, 0.6, 0.6, 0.4, 0.9], 2, True, 4),
        ([0.5, 0.6, 0.6, 0.7, 0.1], 2, True, 5),
        ([0.5, 0.6, 0.7, 0.1], 2, False, 3),
        ([math.nan, math.nan, 1.0], 2, True, 3),
        ([0.5, math.nan, math.nan, 0.9], 2, True, 3),
    ],
)
def test_a_training_ends_after_so_many_validations_without_improvement(
    scores: list[float], patience: int, greater_is_better: bool, epochs: int
) -> None:
    assert epochs_with_scores(scores, patience, greater_is_better) == epochs


def test_early_stop_ends_training_and_a_resumed_one_unless_patience_is_raised(tmp_path: Path) -> None:
    train(tmp_path, max_epochs=1)
    checkpoint = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    checkpoint["early_stop"] |= {"best_score": 0.0, "counter": 0}  # no error can improve on 0
    torch.save(checkpoint, tmp_path / "checkpoint.pt")

    def epochs(patience: int) -> int:
        parser = train(tmp_path, max_epochs=6, patience=patience, resume=True)
        return parser.get_parsed_content("trainer").state.epoch

    assert epochs(patience=2) == 3
    assert epochs(patience=2) == 3
    assert epochs(patience=3) == 4


def test_patience_is_at_least_1() -> None:
    with pytest.raises(ValueError, match="at least 1, got 0"):
        EarlyStop(0, Engine(lambda *_: None))  # type: ignore[arg-type]


def test_a_validation_without_a_key_metric_is_an_error() -> None:
    trainer, evaluator = Engine(lambda *_: None), Engine(lambda *_: None)
    state: Any = evaluator.state
    state.key_metric_name = None
    EarlyStop(2, evaluator).attach(trainer)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="early stop looks at the evaluator's key metric, and it has none"):
        evaluator.run([0])


@pytest.mark.parametrize("attached", [True, False])
def test_a_state_is_taken_before_and_after_it_is_attached(attached: bool) -> None:
    stop = EarlyStop(2, Engine(lambda *_: None))  # type: ignore[arg-type]
    assert stop.state_dict() == {} and not stop.is_over
    other = EarlyStop(2, Engine(lambda *_: None))  # type: ignore[arg-type]
    other.attach(Engine(lambda *_: None))
    if attached:
        stop.attach(Engine(lambda *_: None))
    stop.load_state_dict({**other.state_dict(), "counter": 2, "best_score": 0.5})
    if not attached:
        stop.attach(Engine(lambda *_: None))
    assert stop.is_over and stop.state_dict()["best_score"] == 0.5
