"""Predictions of each fold with the weights that were trained on the others, without networks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from kneebundle.errors import KneeBundleError
from kneebundle.evaluation.cross_validation import predict_held_out
from kneebundle.io.tables import write_table
from kneebundle.landmarks import KNEE_PA
from kneebundle.pipelines.knee_pa import KneePipeline
from tests.batch.fakes import FakePipeline, write_picture


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Ten knees of ten subjects."""
    rows: list[list[Any]] = []
    for number in range(10):
        write_picture(tmp_path / "set/images" / f"k{number}.png", 50 + number)
        rows.append([f"k{number}.png", f"s{number}", "RL"[number % 2], 0.5, *range(2 * len(KNEE_PA))])
    write_table(tmp_path / "set/landmarks.csv", ["image", "subject_id", "side", "spacing_mm", *KNEE_PA.columns], rows)
    return tmp_path / "set"


def test_every_knee_is_predicted_by_the_network_that_has_not_seen_it(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, Sequence[Path]]] = []

    def make(bundles: Path | None, device: str, stages: int, weights: Sequence[Path], **_: Any) -> FakePipeline:
        asked.append((stages, weights))
        return FakePipeline()

    monkeypatch.setattr(KneePipeline, "from_bundles", make)
    weights = [tmp_path / f"model_fold{fold}.pt" for fold in range(3)]
    weights[0].write_bytes(b"0")
    weights[2].write_bytes(b"2")
    out, pattern = tmp_path / "out", str(tmp_path / "model_fold{fold}.pt")
    assert predict_held_out(dataset, pattern, out, folds=3, stages=1) == 2
    assert asked == [(1, [weights[0]]), (1, [weights[2]])]
    first = {path.stem: path.read_text() for path in out.glob("k*.json")}
    assert 0 < len(first) < 10
    assert {json.loads(text)["knees"][0]["side"] for text in first.values()} == {"R", "L"}
    weights[1].write_bytes(b"1")
    assert predict_held_out(dataset, pattern, out, folds=3, stages=1, only=[1]) == 1
    assert asked[2:] == [(1, [weights[1]])]
    assert len(list(out.glob("k*.json"))) == 10, "each knee is of one fold, and those of other folds stay"
    with pytest.raises(KneeBundleError, match="there are no weights for any fold; train them first") as raised:
        predict_held_out(dataset, str(tmp_path / "none_{fold}.pt"), out)
    assert raised.value.field == "weights"
