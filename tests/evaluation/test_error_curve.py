"""Cumulative error curves as a table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from kneebundle.evaluation.error_curve import save_error_curves


def test_curves_of_chosen_landmarks_stand_side_by_side(tmp_path: Path) -> None:
    errors = {"before": np.array([[3.0, 0.0]]), "after": np.array([[1.0, 0.0]])}
    _, table = save_error_curves(errors, tmp_path / "c", landmarks=[0], limit_mm=4.0, points=5)
    lines = table.read_text().split()
    assert lines[0] == "radius_mm,before,after"
    assert lines[2:5] == ["1.0000,0.0000,100.0000", "2.0000,0.0000,100.0000", "3.0000,100.0000,100.0000"]


def test_many_names_stand_below_the_curves_on_a_taller_picture(tmp_path: Path) -> None:
    errors = {f"row {number}": np.full((1, 1), float(number)) for number in range(7)}
    heights = []
    for count in (6, 7):
        picture, _ = save_error_curves(dict(list(errors.items())[:count]), tmp_path / "c", points=5)
        with Image.open(picture) as image:
            heights.append(image.height)
    assert heights == [480, int(120 * (4.0 + 0.13 * 7))]
