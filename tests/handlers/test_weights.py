"""The best weights: a plain file, which a worse epoch does not replace."""

from __future__ import annotations

import errno
import io
import os
from pathlib import Path

import pytest
import torch

from kneebundle.handlers.weights import AtomicDiskSaver
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


def test_what_a_killed_training_was_writing_is_removed(tmp_path: Path) -> None:
    """The temporary file is one of ours, and one that an earlier training left goes."""
    (tmp_path / ".kneebundle-0123456789ab.pt").write_bytes(b"half")
    train(tmp_path, max_epochs=1)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith((".kneebundle-", "tmp"))]


def test_a_file_that_cannot_be_written_leaves_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saver = AtomicDiskSaver(tmp_path, "model.pt")
    saver({"a": torch.ones(1)}, "other.pt")

    def fail(_: object, file: io.BufferedWriter) -> None:
        file.write(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", fail)
        with pytest.raises(OSError, match=r"model\.pt"):
            saver({"a": torch.zeros(1)}, "other.pt")
    assert torch.load(tmp_path / "model.pt", weights_only=True)["a"] == 1
    assert [path.name for path in tmp_path.iterdir()] == ["model.pt"]
