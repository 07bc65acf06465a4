"""Trained weights stand beside the shipped ones and are chosen by name."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from kneebundle.errors import KneeBundleError
from kneebundle.label_app.weights import choose_weights, list_trained_weights, make_training_folder, record_training


def test_only_a_finished_training_counts_and_the_newest_is_chosen(tmp_path: Path) -> None:
    for name in ("20260102-000000", "20260101-000000", "20260103-000000"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.pt").write_bytes(name.encode())
        if name != "20260103-000000":
            record_training(tmp_path / name, "model.pt", {"spacing_mm": 0.5}, knees=3)
    assert [w.name for w in list_trained_weights(tmp_path)] == ["20260101-000000", "20260102-000000"]
    newest = choose_weights(tmp_path, "trained")
    assert newest is not None
    assert newest.file.read_bytes() == b"20260102-000000"
    assert newest.settings == {"spacing_mm": 0.5}
    first = choose_weights(tmp_path, "20260101-000000")
    assert first is not None and first.name == "20260101-000000"
    shutil.rmtree(tmp_path / "20260102-000000")
    assert choose_weights(tmp_path, "trained") == first


def test_shipped_weights_are_always_there(tmp_path: Path) -> None:
    assert choose_weights(tmp_path / "nothing", "shipped") is None
    with pytest.raises(KneeBundleError, match="there are no weights 'trained'; there are: shipped$"):
        choose_weights(tmp_path, "trained")


def test_a_training_that_left_no_weights_is_an_error(tmp_path: Path) -> None:
    folder = make_training_folder(tmp_path)
    with pytest.raises(KneeBundleError, match="the training left no model.pt"):
        record_training(folder, "model.pt", {})
    assert list_trained_weights(tmp_path) == []


def test_two_trainings_of_the_same_second_have_two_folders(tmp_path: Path) -> None:
    assert len({make_training_folder(tmp_path) for _ in range(3)}) == 3
