"""The table of errors of hands, by hand."""

import csv
from pathlib import Path

import numpy as np
import pytest

from kneebundle.errors import KneeBundleError
from kneebundle.evaluation.hands import measure_held_out_hands, summarize_hands, write_hand_evaluation


def errors() -> dict[str, dict[str, np.ndarray]]:
    first, second = np.ones(37), np.full(37, 3.0)
    first[0], second[5] = np.nan, 12.0
    return {"fold 0": {"a": first}, "fold 1": {"b": second}}


def test_the_summary_counts_labelled_landmarks() -> None:
    summary = summarize_hands(errors())
    assert list(summary) == ["fold 0", "fold 1", "all"]
    assert summary["fold 0"]["mean_mm"] == 1.0 and summary["fold 0"]["deviation_mm"] == 0.0
    assert summary["all"]["hands"] == 2
    assert summary["all"]["mean_mm"] == pytest.approx((36 + 36 * 3 + 12) / 73)
    assert summary["all"]["median_mm"] == 3.0
    assert summary["all"]["beyond_2mm_percent"] == pytest.approx(100 * 37 / 73)
    assert summary["all"]["beyond_4mm_percent"] == pytest.approx(100 / 73)
    assert summary["all"]["beyond_10mm_percent"] == pytest.approx(100 / 73)
    assert summary["all"]["largest_mm"] == 12.0


def test_the_files_of_an_evaluation(tmp_path: Path) -> None:
    text = write_hand_evaluation(errors(), tmp_path)
    assert "2.14" in text.splitlines()[-1]
    with (tmp_path / "evaluation_hands.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(r["group"], r["image"], r["mean_mm"], r["max_mm"]) for r in rows] == [
        ("fold 0", "a", "1.000", "1.000"),
        ("fold 1", "b", "3.243", "12.000"),
    ]
    with (tmp_path / "cumulative_error.csv").open() as file:
        last = list(csv.DictReader(file))[-1]
    assert float(last["all"]) == pytest.approx(100 * 72 / 73, abs=1e-3)
    assert (tmp_path / "cumulative_error.png").is_file()


def test_without_weights_nothing_is_claimed(tmp_path: Path) -> None:
    with pytest.raises(KneeBundleError, match="no weights for any fold"):
        measure_held_out_hands(tmp_path, str(tmp_path / "fold{fold}.pt"), tmp_path)
