"""Cumulative error curves as a table."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from kneebundle.evaluation.error_curve import save_error_curves


def test_curves_of_chosen_landmarks_stand_side_by_side(tmp_path: Path) -> None:
    errors = {"before": np.array([[3.0, 0.0]]), "after": np.array([[1.0, 0.0]])}
    _, table = save_error_curves(errors, tmp_path / "c", landmarks=[0], limit_mm=4.0, points=5)
    lines = table.read_text().split()
    assert lines[0] == "radius_mm,before,after"
    assert lines[2:5] == ["1.0000,0.0000,100.0000", "2.0000,0.0000,100.0000", "3.0000,100.0000,100.0000"]
