"""A training that was stopped resumes as if it had not been."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Engine

from kneebundle.errors import KneeBundleError
from kneebundle.handlers.checkpoint import ResumableCheckpoint
from tests.handlers.resumed_training import assert_same, outcome, train


@pytest.mark.parametrize("workers", [0, 1])
def test_two_and_two_epochs_are_four_bit_for_bit(tmp_path: Path, workers: int) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(whole, num_workers=workers)
    train(parts, num_workers=workers, max_epochs=2)
    stopped = torch.load(parts / "checkpoint.pt", weights_only=True)
    resumed = train(parts, num_workers=workers, resume=True)
    assert stopped["trainer"]["iteration"] == 6
    assert resumed.get_parsed_content("trainer").state.iteration == 12
    first, second = outcome(whole), outcome(parts)
    assert not torch.equal(stopped["model"]["1.weight"], second["model"]["1.weight"])
    assert_same(first, second)


def test_a_stop_within_an_epoch_costs_only_that_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(whole)
    with monkeypatch.context() as patch:
        patch.setattr("kneebundle.losses.AdaptiveRobustLoss.forward", _fails_at_call(2 * 8))
        with pytest.raises(RuntimeError, match="power"):
            train(parts)
    assert torch.load(parts / "checkpoint.pt", weights_only=True)["trainer"]["iteration"] == 6
    train(parts, resume=True)
    assert_same(outcome(whole), outcome(parts))


def _fails_at_call(number: int) -> Any:
    from kneebundle.losses import LandmarkLoss

    calls = iter(range(1, number + 1))

    def forward(self: LandmarkLoss, pred: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        if next(calls) == number:
            raise RuntimeError("power failure")
        return LandmarkLoss.forward(self, pred, target)

    return forward


def test_the_scaler_of_a_training_in_float16_goes_on_where_it_was(tmp_path: Path) -> None:
    for resume, before in ((False, 8.0), (True, 2.0)):
        engine: Any = Engine(lambda *_: None)
        engine.scaler = torch.amp.GradScaler("cpu", init_scale=before)
        ResumableCheckpoint(tmp_path / "checkpoint.pt", {}, resume=resume).attach(engine)
        engine.run([0], max_epochs=2 if resume else 1)
        assert engine.scaler.get_scale() == 8.0


def test_a_finished_training_has_nothing_left_to_do(tmp_path: Path) -> None:
    train(tmp_path, max_epochs=1)
    before = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    train(tmp_path, max_epochs=1, resume=True)
    assert_same(torch.load(tmp_path / "checkpoint.pt", weights_only=True), before)


def test_no_temporary_file_is_left(tmp_path: Path) -> None:
    train(tmp_path, max_epochs=1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint.pt", "model.pt"]


def test_a_checkpoint_of_something_else_is_an_error_in_one_line(tmp_path: Path) -> None:
    torch.save({"model": {}}, tmp_path / "checkpoint.pt")
    with pytest.raises(KneeBundleError, match=r"checkpoint\.pt: cannot resume") as caught:
        train(tmp_path, resume=True)
    assert "\n" not in str(caught.value)


def test_without_resume_an_old_checkpoint_is_overwritten(tmp_path: Path) -> None:
    train(tmp_path, max_epochs=2)
    train(tmp_path, max_epochs=1)
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["trainer"]["iteration"] == 3


def test_objects_that_cannot_be_saved_are_errors(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no state_dict"):
        ResumableCheckpoint(tmp_path / "c.pt", {"model": 3})
    with pytest.raises(ValueError, match="choose another"):
        ResumableCheckpoint(tmp_path / "c.pt", {"trainer": torch.nn.Linear(1, 1)})
