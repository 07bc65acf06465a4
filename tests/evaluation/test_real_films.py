"""The benchmark on real radiographs, with drawn ones and a pipeline that does as it is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from kneebundle.errors import KneeBundleError
from kneebundle.evaluation.real_films import (
    Case,
    Mark,
    Outcome,
    film_cases,
    format_outcomes,
    judge_outcome,
    read_marks,
    run_cases,
    write_benchmark,
)
from kneebundle.landmarks import Landmarks
from kneebundle.measurements.knee_shape import load_shape_model
from kneebundle.radiograph import Radiograph
from kneebundle.results import Flag, KneeResult, RadiographResult

FOLDERS = ("full_leg", "knee_level", "odd_knees", "implants", "laterals", "other_parts")
RIGHT, LEFT = Mark("ap_films/a.jpg", "R", "native", 200, 300), Mark("ap_films/a.jpg", "L", "native", 600, 300)


class FakePipeline:
    """Gives knees at places in pixels, measured unless a flag is given."""

    def __init__(self, *knees: tuple[str, float, float, str]) -> None:
        self.knees = knees
        self.asked = 0

    def predict(self, radiograph: Radiograph, view: str) -> RadiographResult:
        self.asked += 1
        if not self.knees:
            raise KneeBundleError("nothing can be seen")
        found = []
        for side, x, y, code in self.knees:
            points = load_shape_model().mean / radiograph.spacing_mm[1] + (x, y)
            landmarks = Landmarks(points, confidence=np.full(16, 0.5))
            flags = (Flag(code, "a reason"),) if code else ()
            skipped = code in ("implant", "not_a_knee")
            found.append(KneeResult(side, (x, y), 140.0, None if skipped else landmarks, flags))  # type: ignore[arg-type]
        return RadiographResult(radiograph, tuple(found))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two AP radiographs, one of a single knee, and a picture in each of the other folders."""
    for name in ("ap_films", *FOLDERS):
        (tmp_path / name / "images").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name in ("ap_films/images/a.jpg", "ap_films/images/b.jpg", *(f"{f}/images/c.jpg" for f in FOLDERS)):
        Image.fromarray(rng.integers(0, 255, (500, 800), dtype=np.uint8)).save(tmp_path / name)
    (tmp_path / "ap_films" / "films.csv").write_text("image,knees,side,spacing_mm\na.jpg,2,,0.5\nb.jpg,1,L,0.5\n")
    return tmp_path


def verdicts(pipeline: FakePipeline, marks: list[Mark], case: Case, cache: Path) -> list[tuple[str, bool]]:
    (outcome,) = run_cases([case], lambda radiograph, view: pipeline.predict(radiograph, view), cache)
    return [(row["verdict"], row["flagged"]) for row in judge_outcome(outcome, marks)]


def test_cases_are_given_to_the_pipeline_as_their_folder_asks(folder: Path) -> None:
    ball = Mark("ap_films/a.jpg", "R", "ball", 320, 300)
    cases = film_cases(folder, [RIGHT, LEFT, ball])
    groups = [case.group for case in cases]
    assert groups[:3] == ["bilateral AP", "single knee, wide cassette, auto", "single knee, view and side given"]
    assert (cases[2].view, cases[2].side) == ("pa-single", "L")
    assert {"implants, auto", "laterals, given as frontal", "other_parts, auto", "full leg, auto"} <= set(groups)
    crop = cases[-1]
    assert crop.group == "calibration ball beside the knee" and crop.box is not None
    left, top, right, bottom = crop.box
    assert left < 200 < right and left < 320 < right and crop.read().pixels.shape == (bottom - top, right - left)


@pytest.mark.parametrize(
    ("knees", "expected"),
    [
        ([("R", 205, 300, ""), ("L", 600, 310, "")], [("right", False), ("right", False)]),
        ([("L", 200, 300, ""), ("R", 600, 300, "side_guessed")], [("wrong side", False), ("wrong side", True)]),
        ([("R", 200, 300, "implant"), ("L", 600, 300, "side_guessed")], [("skipped", True), ("right", True)]),
        ([("R", 400, 300, "")], [("not found", True), ("not found", True), ("elsewhere", False)]),
        ([], [("not found", True), ("not found", True)]),
    ],
)
def test_a_knee_is_right_on_its_side_within_20_mm_of_its_mark(
    folder: Path, tmp_path: Path, knees: list[Any], expected: list[tuple[str, bool]]
) -> None:
    case = film_cases(folder)[0]
    assert verdicts(FakePipeline(*knees), [RIGHT, LEFT], case, tmp_path / "cache") == expected


def test_a_replaced_knee_that_is_measured_counts_as_measured(folder: Path, tmp_path: Path) -> None:
    marks = [Mark("ap_films/a.jpg", "R", "implant", 200, 300)]
    case = film_cases(folder)[0]
    assert verdicts(FakePipeline(("R", 200, 300, "")), marks, case, tmp_path / "cache") == [("measured", False)]


def test_what_was_predicted_is_not_predicted_again_and_everything_is_written(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "marks.csv").write_text("image,side,kind,x_px,y_px\nap_films/a.jpg,R,native,200,300\n")
    marks = read_marks(tmp_path / "marks.csv")
    pipeline, cases = FakePipeline(("R", 200, 300, ""), ("L", 600, 300, "implant")), film_cases(folder, marks)[:2]
    out = tmp_path / "out"
    table = write_benchmark(pipeline, cases, marks, out)  # type: ignore[arg-type]
    assert write_benchmark(pipeline, cases, marks, out) == table  # type: ignore[arg-type]
    assert pipeline.asked == 2
    assert (out / "table.md").read_text() == table
    assert (
        (out / "films.csv").read_text().splitlines()[1].startswith("bilateral AP,ap_films/a.jpg,native,R,right,False")
    )
    assert {path.name for path in (out / "sheets").iterdir()} == {
        "bilateral_AP_0.png",
        "single_knee__wide_cassette__auto_0.png",
    }


def test_the_table_has_a_row_a_group() -> None:
    outcome = Outcome(Case("bilateral AP", "ap_films/a.jpg", "", 0.5), [], [], "nothing")
    table = format_outcomes(judge_outcome(outcome, [RIGHT, LEFT]), {"bilateral AP": 1})
    assert table.splitlines()[2].startswith("| bilateral AP | 1 | 2 | 0 | 0 | 0 | 0 | 0 | 2 |")
