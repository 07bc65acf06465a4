"""Corrections as the truth of an evaluation."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from kneebundle.annotation.corrections import write_correction
from kneebundle.annotation.page_data import describe_film, make_correction
from kneebundle.errors import KneeBundleError
from kneebundle.evaluation.landmarks import compare
from kneebundle.evaluation.planning import compare_plannings
from kneebundle.evaluation.planning_truth import find_truth_kinds
from kneebundle.reports.csv_tables import write_landmarks
from tests.annotation.studies import NAMES, get_film, make_study


def write_tables(out: Path) -> None:
    write_landmarks([json.loads((out / f"{name}.json").read_text()) for name in NAMES], out / "landmarks.csv")


def correct(out: Path, name: str, shift: tuple[float, float] = (0.0, 0.0), reject: str = "", missing: int = -1) -> None:
    """Accept a radiograph with its first point moved, one not visible, and one side rejected."""
    film, radiograph = get_film(out, name)
    items = describe_film(film, None, radiograph)["items"]
    for item in items:
        item["status"] = "accepted"
        item["points"][0] = [item["points"][0][0] + shift[0], item["points"][0][1] + shift[1]]
        if missing >= 0:
            item["points"][missing] = None
        if item["side"] == reject:
            item.update(status="rejected", reason="cut off")
    correction, revision = make_correction(film, radiograph, {"revision": 0, "items": items}, "Ann")
    write_correction(correction, out / "corrections", revision)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = make_study(tmp_path)
    write_tables(folder)
    return folder


def test_the_error_is_how_far_a_point_was_moved(out: Path) -> None:
    correct(out, "both", (6.0, 8.0), reject="L", missing=5)
    correct(out, "turned", (6.0, 8.0))
    comparison = compare(out, out / "corrections")
    assert [Path(image).name for image in comparison.images] == ["both.png", "turned.dcm"]
    assert comparison.sides == ("R", "R")  # a rejected knee is no truth
    assert comparison.errors[0, 0] == pytest.approx(5.0, abs=0.01)  # 10 pixels of 0.5 mm
    assert comparison.errors[1, 0] == pytest.approx(np.hypot(6 * 0.4, 8 * 0.5), abs=0.01)  # oblong pixels
    assert np.isnan(comparison.errors[0, 5])
    others = np.delete(comparison.errors, 0, axis=1)
    assert np.nanmax(others) < 0.01


def test_images_that_moved_since_count_by_their_names(out: Path, tmp_path: Path) -> None:
    correct(out, "both", (6.0, 8.0))
    text = (out / "landmarks.csv").read_text().replace(str(tmp_path / "images"), "elsewhere/films")
    (out / "landmarks.csv").write_text(text)
    assert compare(out, out / "corrections").errors[0, 0] == pytest.approx(5.0, abs=0.01)


def test_nothing_decided_is_an_error(out: Path) -> None:
    with pytest.raises(KneeBundleError, match="no corrections"):
        compare(out, out.parent / "images")
    film, radiograph = get_film(out, "both")
    items = describe_film(film, None, radiograph)["items"]
    write_correction(make_correction(film, radiograph, {"revision": 0, "items": items}, "")[0], out / "corrections", 0)
    with pytest.raises(KneeBundleError, match="no knee was accepted"):
        compare(out, out / "corrections")


def test_lateral_corrections_are_a_rater(out: Path) -> None:
    correct(out, "side", (0.0, 4.0))
    assert find_truth_kinds(out / "corrections") == {"planning"}
    comparison = compare_plannings(out, [out / "corrections"])
    assert comparison.raters == ("Ann",)
    np.testing.assert_allclose(comparison.landmarks_mm, [[2.0, 0.0]], atol=1e-3)
    assert comparison.line_mm[0] == pytest.approx(0.0, abs=1e-3)
    # LM3 2 mm further distal: the circle's radius is 1 mm more, its centre lies 1 mm further distal and anterior
    np.testing.assert_allclose(comparison.offsets_mm["automatic"], [[-1.0, 1.0]], atol=0.01)
    correct(out, "both")
    assert find_truth_kinds(out / "corrections") == {"knees", "planning"}
    shutil.rmtree(out / "corrections")
    with pytest.raises(KneeBundleError, match="read"):
        compare(out, out / "corrections")
