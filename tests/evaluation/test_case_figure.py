"""KNEEL's Figure 7: which knees are drawn, and that they are."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from kneebundle.evaluation.case_figure import choose_cases, draw_cases
from kneebundle.evaluation.landmarks import Comparison
from kneebundle.io.tables import write_table
from kneebundle.landmarks import KNEE_PA


def make_comparison(means: list[float], grades: list[str]) -> Comparison:
    """Knees whose landmarks are all as far off."""
    errors = np.repeat(np.array(means)[:, None], 16, axis=1)
    labels = np.tile(np.stack([np.arange(16.0), np.full(16, 20.0)], -1), (len(means), 1, 1))
    return Comparison(
        images=tuple(f"{k}R.png" for k in range(len(means))),
        sides=("R",) * len(means),
        grades=tuple(grades),
        errors=errors,
        fitted=errors,
        confidence=errors,
        points_mm=labels + errors[..., None],
        labels_mm=labels,
        readings_mm=errors,
        unused=0,
    )


def test_the_best_and_the_worst_of_each_group() -> None:
    comparison = make_comparison([3.0, 1.0, 2.0, 9.0, np.inf, 4.0], ["0", "1", "0", "1", "0", "3"])
    assert choose_cases(comparison, 1) == {"KL 0 or 1": [1, 3], "KL 3": [5]}, (
        "a knee that was not measured is not drawn"
    )
    assert choose_cases(comparison, 3) == {"KL 0 or 1": [1, 2, 0, 3], "KL 3": [5]}, "and none is drawn twice"


def test_methods_are_drawn_on_the_knees_that_the_first_one_chooses(tmp_path: Path) -> None:
    comparison = make_comparison([1.0, 2.0], ["0", "4"])
    (tmp_path / "images").mkdir()
    for name in comparison.images:
        Image.fromarray(np.uint8(np.arange(40 * 40).reshape(40, 40) % 255)).save(tmp_path / "images" / name)
    rows = [[name, "R", 1.0, *comparison.labels_mm[0].ravel()] for name in comparison.images]
    write_table(tmp_path / "landmarks.csv", ["image", "side", "spacing_mm", *KNEE_PA.columns], rows)
    other = replace(comparison, points_mm=comparison.points_mm + 3).select(["0R.png"])
    draw_cases({"ours": comparison, "rfrv": other}, tmp_path, tmp_path / "out" / "figure7.png", count=1)
    picture = np.asarray(Image.open(tmp_path / "out" / "figure7.png").convert("RGB")).astype(int)
    reddish = (picture[..., 0] > 200) & (picture[..., 1] < 130) & (picture[..., 2] < 130)
    assert reddish.sum() > 50
