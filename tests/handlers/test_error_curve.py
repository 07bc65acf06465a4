"""The cumulative error plot of an evaluation."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from kneebundle.handlers.error_curve import CumulativeErrorPlot
from tests.handlers.shifted_points import evaluate


def test_the_curve_is_saved_as_a_picture_and_a_table(tmp_path: Path) -> None:
    evaluate([CumulativeErrorPlot(tmp_path / "out" / "curve", {"all": "error"}, limit_mm=1.0)])
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["curve.csv", "curve.png"]
    with (tmp_path / "out" / "curve.csv").open() as file:
        rows = {float(row["radius_mm"]): float(row["all"]) for row in csv.DictReader(file)}
    assert rows[0.0] == 50.0
    assert rows[0.496] == 50.0
    assert rows[0.5] == 100.0
    assert (tmp_path / "out" / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_a_curve_of_an_unknown_metric_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no landmark metric 'pck'"):
        evaluate([CumulativeErrorPlot(tmp_path / "curve", {"all": "pck"})])
