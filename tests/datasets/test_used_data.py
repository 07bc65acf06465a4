"""The line in the log about the data that a bundle uses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kneebundle.datasets.used_data import log_used_data
from kneebundle.training.records import knee_records


@log_used_data
def list_two(dataset_dir: str, split: str = "", fold: int = 0) -> list[dict[str, Any]]:
    return [{}, {}]


@pytest.mark.parametrize(
    ("folder", "split", "said"),
    [
        ("", "training", "data for training: 2 phantoms, because dataset_dir is empty"),
        ("mine", "validation", "data for validation: 2 records of {mine}"),
        ("samples/knees", "", "data: 2 records of {samples/knees}, the samples of kneebundle"),
    ],
)
def test_the_log_says_what_is_used(folder: str, split: str, said: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    assert len(list_two(folder, split=split)) == 2
    assert caplog.messages == [said.replace("{" + folder + "}", str(Path(folder).resolve()))]


def test_a_training_says_that_it_draws_phantoms(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    knee_records("", "training", phantom_size=8)
    assert caplog.messages == ["data for training: 8 phantoms, because dataset_dir is empty"]
