"""Raters imitated by noise: as far off as said, never the same, and alike in what they hold to be suitable."""

from pathlib import Path

import numpy as np
import pytest

from kneebundle.errors import KneeBundleError
from kneebundle.evaluation.imitated_raters import imitate_raters
from kneebundle.evaluation.planning_truth import read_rated_radiographs
from kneebundle.io.tables import write_table
from kneebundle.landmarks import LATERAL_POINTS

COLUMNS = [f"{point}_{axis}" for point in LATERAL_POINTS for axis in "xy"]


@pytest.fixture
def points(tmp_path: Path) -> Path:
    """200 radiographs of 0.5 mm a pixel with all points at (100, 200), turned by 0 to 9 degrees."""
    rows = [[f"{k}.png", 0.5, *[100, 200] * 4, k % 10, 0] for k in range(200)]
    write_table(tmp_path / "points.csv", ["image", "spacing_mm", *COLUMNS, "turn_deg", "lean_deg"], rows)
    return tmp_path / "points.csv"


def test_each_rater_is_as_far_off_as_said(points: Path) -> None:
    tables = imitate_raters(points, seed=1, spread_mm={"1": 2.0, "2": 0.5})
    assert [table.name for table in tables] == ["rater1.csv", "rater2.csv"]
    films = read_rated_radiographs(tables)
    assert [films[0].rater, films[-1].rater] == ["1", "2"]
    for rater, spread in (("1", 2.0), ("2", 0.5)):
        marks = np.concatenate([[*f.landmarks, *f.cortex_line] for f in films if f.rater == rater])
        off_mm = (marks - [100, 200]) * 0.5
        np.testing.assert_allclose(off_mm.std(axis=0), spread, rtol=0.1)
        np.testing.assert_allclose(off_mm.mean(axis=0), 0.0, atol=0.3)


def test_oblique_radiographs_are_not_suitable(points: Path) -> None:
    films = read_rated_radiographs(imitate_raters(points, most_oblique_deg=6.0))
    assert {film.suitable for film in films if int(film.image.split(".")[0]) % 10 <= 6} == {True}
    assert {film.suitable for film in films if int(film.image.split(".")[0]) % 10 > 6} == {False}


def test_points_that_were_not_drawn(tmp_path: Path) -> None:
    write_table(tmp_path / "points.csv", ["image", "spacing_mm", *COLUMNS], [["a.png", 0.5, *[1] * 8]])
    with pytest.raises(KneeBundleError, match="turn_deg"):
        imitate_raters(tmp_path / "points.csv")
