"""Error rates of thresholds, from scores that are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kneebundle.evaluation.quality_thresholds import (
    NO_THRESHOLDS,
    TurnedScores,
    format_thresholds,
    measure_turned,
    score_outcomes,
)
from kneebundle.evaluation.real_films import Case, Found, Mark, Outcome
from kneebundle.measurements.plausibility import Plausibility
from kneebundle.pipelines.knee_check import CheckedRegion
from kneebundle.pipelines.quality import check_landmarks, check_position, check_region, check_shape, check_side
from kneebundle.radiograph import Radiograph
from kneebundle.transforms.roi import image_center_mm
from tests.pipelines.content_fakes import FakeCheck, FakeRoi

FILM = Case("bilateral AP", "ap_films/a.jpg", "a.jpg", 0.5)
SINGLE = Case("single knee, wide cassette, auto", "ap_films/b.jpg", "b.jpg", 0.5)
OTHER = Case("other_parts, auto", "other_parts/c.jpg", "c.jpg", 0.25)
LATERAL = Case("laterals, auto", "laterals/d.jpg", "d.jpg", 0.25)
MARKS = [
    Mark("ap_films/a.jpg", "R", "native", 100, 100),
    Mark("ap_films/a.jpg", "L", "implant", 500, 100),
    Mark("ap_films/a.jpg", "L", "ball", 300, 100),
    Mark("ap_films/b.jpg", "R", "native", 100, 100),
]


def _scores(**other: float) -> dict[str, float]:
    right = {"native": 0.95, "side": 0.99, "landmarks": 0.6, "joint_mm": 2.0}
    shape = {"shape_distance": 1.0, "shape_residual_mm": 0.6, "shape_scale": 1.0, "shape_turn_deg": 1.0}
    return {**right, **shape, **other}


def _outcome(case: Case, *knees: tuple[str, float, float, dict[str, float]]) -> Outcome:
    found = [Found(side, (x, y), None, 0.0) for side, x, y, _ in knees]
    return Outcome(case, found, quality=[scores for *_, scores in knees])


@pytest.fixture
def outcomes() -> list[Outcome]:
    return [
        _outcome(FILM, ("R", 110, 100, _scores(native=0.45)), ("L", 505, 100, _scores(native=0.15))),
        _outcome(SINGLE, ("L", 100, 130, _scores(side=0.85))),
        _outcome(OTHER, ("R", 10, 10, _scores(native=0.25, joint_mm=13.0))),
        _outcome(LATERAL, ("R", 10, 10, _scores(native=0.05))),
    ]


def _row(text: str, table: str, value: str) -> list[str]:
    """The cells of a row of the table whose first column has this name."""
    part = text[text.index(f"| {table} |") :].split("\n\n")[0]
    (line,) = [line for line in part.splitlines() if line.startswith(f"| {value} |")]
    return [cell.strip() for cell in line.strip("| ").split("|")][1:]


def test_nothing_is_kept_from_being_measured() -> None:
    region = CheckedRegion(0.0, 0.0, 0.0, 1.0, np.full(2, 999.0))
    shape = Plausibility(99.0, 99.0, 99.0, 99.0)
    assert check_region(region, "R", NO_THRESHOLDS) is None
    assert check_side(region, "R", "image", NO_THRESHOLDS) is None
    assert check_landmarks(np.zeros(16), "R", NO_THRESHOLDS) is None
    assert check_shape(shape, NO_THRESHOLDS) is None
    assert check_position(np.zeros((16, 2)), region, NO_THRESHOLDS) is None


def test_places_are_what_the_marks_say(outcomes: list[Outcome]) -> None:
    scored = score_outcomes(outcomes, MARKS)
    assert [knee.shown for knee in scored] == ["native", "implant", "native", "other part", "lateral"]
    assert [(knee.side, knee.taken, knee.known_by_place) for knee in scored[:3]] == [
        ("R", "R", True),
        ("L", "L", True),
        ("R", "L", False),
    ]


def test_a_place_away_from_every_mark_is_beside_and_its_knee_not_found() -> None:
    outcome = _outcome(SINGLE, ("R", 300, 300, _scores()))
    assert [(knee.shown, bool(knee.scores)) for knee in score_outcomes([outcome], MARKS)] == [
        ("native", False),
        ("beside", True),
    ]
    text = format_thresholds(score_outcomes([outcome], MARKS))
    assert _row(text, "native", "0.1")[0] == "100.0 % (1 of 1)"


def test_each_threshold_is_counted_alone(outcomes: list[Outcome]) -> None:
    text = format_thresholds(score_outcomes(outcomes, MARKS), trained=["ap_films/a.jpg"])
    natives, unseen, implants, others, laterals, beside = _row(text, "native", "**0.5**")
    assert (natives, unseen) == ("50.0 % (1 of 2)", "0.0 % (0 of 1)")
    assert (implants, others, laterals, beside) == ("0.0 % (0 of 1)", "0.0 % (0 of 1)", "0.0 % (0 of 1)", "-")
    assert _row(text, "native", "0.1")[2:5] == ["100.0 % (1 of 1)", "100.0 % (1 of 1)", "0.0 % (0 of 1)"]
    assert _row(text, "joint_mm", "**12**")[3] == "0.0 % (0 of 1)"
    assert _row(text, "joint_mm", "15")[3] == "100.0 % (1 of 1)"
    assert _row(text, "shape", "1.5")[0] == "0.0 % (0 of 2)"


def test_sides_are_flagged_or_wrong(outcomes: list[Outcome]) -> None:
    text = format_thresholds(score_outcomes(outcomes, MARKS))
    assert _row(text, "side", "0.8") == ["0.0 % (0 of 1)", "1"]  # it takes L with 0.85
    assert _row(text, "side", "**0.9**") == ["100.0 % (1 of 1)", "0"]
    assert _row(text, "side_by_place", "0.9") == ["0.0 % (0 of 1)"]
    assert _row(text, "contradiction", "0.8") == ["50.0 % (1 of 2)", "50.0 % (1 of 2)"]


def test_turned_films_are_recognised_or_not() -> None:
    text = format_thresholds([], turned=TurnedScores(np.array([0.99, 0.85]), np.array([0.2, 0.92])))
    assert _row(text, "turned", "**0.9**") == ["50.0 % (1 of 2)", "50.0 % (1 of 2)"]


def test_a_mark_of_another_kind_takes_its_place_and_is_not_scored() -> None:
    odd = [Mark("ap_films/b.jpg", "R", "odd", 100, 100)]
    assert score_outcomes([_outcome(SINGLE, ("R", 100, 100, _scores()))], odd) == []
    given = replace(SINGLE, view="pa-single", side="R")
    assert score_outcomes([_outcome(given)], [MARKS[-1]]) == [], "one that was given as such may be found elsewhere"


def test_the_best_turn_of_each_film_counts() -> None:
    film = Radiograph(np.random.default_rng(0).normal(size=(40, 60)), (5.0, 5.0), "film.png")
    joint = film.to_metatensor()
    middle = image_center_mm(joint)
    check = FakeCheck((float(middle[1]), float(middle[0]), (0.9, 0.0, 0.0, 0.1)))
    turned = measure_turned([film, film], [film], FakeRoi(), check)  # type: ignore[arg-type]
    assert turned.turned.shape == (2,) and turned.without.shape == (1,)
    nothing = measure_turned([film], [], FakeRoi(), FakeCheck())  # type: ignore[arg-type]
    assert (nothing.turned.tolist(), len(nothing.without)) == ([0.0], 0)
    assert turned.turned.min() == 0.9
