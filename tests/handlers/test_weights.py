"""The best weights: a plain file, which a worse epoch does not replace."""

from __future__ import annotations

from pathlib import Path

import torch

from tests.handlers.resumed_training import assert_same, train


def test_the_best_weights_are_a_plain_state_dict_and_survive_a_worse_resumed_epoch(tmp_path: Path) -> None:
    train(tmp_path, max_epochs=1)
    best = torch.load(tmp_path / "model.pt", weights_only=True)
    assert "1.weight" in best
    checkpoint = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    checkpoint["best"]["saved"] = [(0.0, "model.pt")]  # an error that cannot be beaten
    checkpoint["best_metric"] = {"best_metric": 0.0, "best_metric_epoch": 1}
    torch.save(checkpoint, tmp_path / "checkpoint.pt")
    resumed = train(tmp_path, max_epochs=2, resume=True)
    assert_same(dict(torch.load(tmp_path / "model.pt", weights_only=True)), dict(best))
    assert resumed.get_parsed_content("evaluator").state.best_metric_epoch == 1
