"""Which weights an evaluation of a fold takes."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from kneebundle.training.fold_weights import find_fold_weights


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    (tmp_path / "models").mkdir()
    for name in ("model.pt", "model_fold3.pt"):
        (tmp_path / "models" / name).touch()
    return tmp_path


def test_the_network_that_the_fold_was_kept_from(bundle: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert find_fold_weights(bundle, 3) == str(bundle / "models/model_fold3.pt")
    assert find_fold_weights(str(bundle), -1) == str(bundle / "models/model.pt")
    assert caplog.text == ""


def test_where_that_is_not_installed_the_other_one_and_a_word_of_it(
    bundle: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert find_fold_weights(bundle, 2) == str(bundle / "models/model.pt")
    (record,) = caplog.records
    assert "model_fold2.pt is not part of this installation" in record.message
    assert "has seen all folds" in record.message
