"""Flags of a knee and their thresholds."""

import re
from dataclasses import FrozenInstanceError
from pathlib import Path

import numpy as np
import pytest

from kneebundle.landmarks import Landmarks
from kneebundle.measurements.knee_shape import load_shape_model
from kneebundle.measurements.plausibility import Plausibility, measure_plausibility
from kneebundle.pipelines.knee_check import CheckedRegion
from kneebundle.pipelines.quality import (
    DEFAULT_THRESHOLDS,
    KnownBy,
    Thresholds,
    check_border,
    check_landmarks,
    check_position,
    check_region,
    check_shape,
    check_side,
)
from kneebundle.radiograph import Radiograph
from kneebundle.results import Flag

LIMITS = Thresholds(native=0.5, side=0.9, contradiction=0.9)
MEAN = load_shape_model().mean


def region(
    right: float, left: float, implant: float, none: float, joint: tuple[float, float] = (100.0, 100.0)
) -> CheckedRegion:
    return CheckedRegion(right, left, implant, none, np.array(joint))


def code(flag: Flag | None) -> str | None:
    return None if flag is None else flag.code


@pytest.mark.parametrize(
    ("seen", "expected"),
    [((0.5, 0.1, 0.3, 0.1), None), ((0.1, 0.3, 0.5, 0.1), "implant"), ((0.1, 0.1, 0.2, 0.6), "not_a_knee")],
)
def test_a_region_is_measured_if_it_is_likely_a_native_knee(
    seen: tuple[float, float, float, float], expected: str | None
) -> None:
    flag = check_region(region(*seen), "R", LIMITS)
    assert code(flag) == expected
    assert flag is None or (flag.score, flag.threshold) == (pytest.approx(seen[0] + seen[1]), 0.5)


@pytest.mark.parametrize(
    ("right", "known_by", "expected"),
    [
        (0.95, "image", None),
        (0.85, "image", "side_guessed"),
        (0.85, "place", None),
        (0.4, "place", "side_guessed"),
        (0.4, "statement", None),
        (0.05, "place", "side_contradiction"),
        (0.05, "statement", "side_contradiction"),
    ],
)
def test_sides(right: float, known_by: KnownBy, expected: str | None) -> None:
    assert code(check_side(region(right, 1 - right, 0.0, 0.0), "R", known_by, LIMITS)) == expected


def test_a_replacement_contradicts_no_side() -> None:
    assert check_side(region(0.0, 0.1, 0.9, 0.0), "R", "statement", LIMITS) is None


def test_landmarks_beyond_the_border_are_counted() -> None:
    radiograph = Radiograph(np.random.default_rng(0).random((400, 400)), (0.5, 0.5))
    assert check_border(Landmarks(radiograph.mm_to_px(MEAN + 100)), radiograph) is None
    flag = check_border(Landmarks(radiograph.mm_to_px(MEAN + (30, 100))), radiograph)
    assert flag is not None and (flag.code, flag.score) == ("cut_off", 2)


def test_the_mean_knee_of_either_side_has_no_flag() -> None:
    for side, points in (("R", MEAN), ("L", MEAN * (-1, 1))):
        assert check_shape(measure_plausibility(points, side), LIMITS) is None


@pytest.mark.parametrize(
    ("points", "what"),
    [(0.5 * MEAN, "size"), (1.9 * MEAN, "size"), (MEAN[:, ::-1] * (1, -1), "lean"), (MEAN * (-1, 1), None)],
)
def test_what_no_knee_looks_like_is_implausible(points: np.ndarray, what: str | None) -> None:
    flag = check_shape(measure_plausibility(points, "R"), LIMITS)
    assert code(flag) == "implausible"
    assert flag is not None and (what or "") in flag.message


def test_scattered_points_are_implausible() -> None:
    points = np.random.default_rng(1).uniform(50, 150, (16, 2))
    assert code(check_shape(measure_plausibility(points, "R"), LIMITS)) == "implausible"


def test_landmarks_beside_the_joint_and_unsure_ones_are_flagged() -> None:
    points = MEAN + 100
    assert check_position(points, region(1, 0, 0, 0), LIMITS) is None
    assert code(check_position(points, region(1, 0, 0, 0, (130.0, 100.0)), LIMITS)) == "implausible"
    assert check_landmarks(np.full(16, 0.5), "R", LIMITS) is None
    assert code(check_landmarks(np.full(16, 0.05), "R", LIMITS)) == "low_confidence"


def test_the_thresholds_are_those_of_the_documentation(repository: Path) -> None:
    """docs/quality.md gives the error rates of these numbers and no others; its table names each of them."""
    text = (repository / "docs/quality.md").read_text(encoding="utf-8")
    named = dict(re.findall(r"^\| `(\w+)` \|.*?\| ([^|]*?) \|[^|]*\|$", text, flags=re.MULTILINE))
    found = DEFAULT_THRESHOLDS
    assert named["not_a_knee"] == f"< {found.native:g}"
    assert named["implant"].startswith(f"< {found.native:g},")
    assert named["turned"].startswith(f">= {found.turned:g},")
    assert named["side_guessed"] == f"< {found.side:g}; < {found.side_by_place:g} beside another knee"
    assert named["side_contradiction"] == f">= {found.contradiction:g}"
    assert f"< {found.landmarks:.2f} (`knee_landmark_scn`)" in named["low_confidence"]
    assert named["implausible"] == f"> {found.shape:g}"
    limits = re.findall(r"^\| \| \| [^|]* \| ([^|]+?) \|", text, flags=re.MULTILINE)
    low, high = found.scale
    assert limits == [
        f"> {found.residual_mm:.1f} mm",
        f"< {low:g} or > {high:g}",
        f"> {found.turn_deg:g} degrees",
        f"> {found.joint_mm:g} mm",
    ]


def test_nobody_changes_the_thresholds_of_all_by_accident() -> None:
    with pytest.raises(FrozenInstanceError):
        DEFAULT_THRESHOLDS.native = 0.1  # type: ignore[misc]


def test_what_just_reaches_a_threshold_is_measured() -> None:
    assert check_region(region(0.25, 0.25, 0.4, 0.1), "R", LIMITS) is None
    assert code(check_region(region(0.125, 0.125, 0.375, 0.375), "R", LIMITS)) == "implant"
    assert check_landmarks(np.full(16, 0.25), "R", Thresholds(landmarks=0.25)) is None
    assert check_position(MEAN + 100, region(1, 0, 0, 0, (112.0, 100.0)), Thresholds(joint_mm=12.0)) is None
    assert check_side(region(0.5, 0.5, 0, 0), "L", "image", Thresholds(side=0.5)) is None
    assert check_side(region(0.5, 0.5, 0, 0), "L", "place", Thresholds(side_by_place=0.5)) is None
    assert check_side(region(0.0, 0.5, 0.5, 0), "R", "statement", LIMITS) is not None
    contradicted = check_side(region(0.25, 0.75, 0, 0), "R", "image", Thresholds(contradiction=0.75))
    assert contradicted == Flag(
        "side_contradiction", "the knee is taken for a right one, but it looks like the other", 0.75, 0.75
    )
    guessed = check_side(region(0.25, 0.75, 0, 0), "L", "image", LIMITS)
    assert guessed == Flag("side_guessed", "the side was not given: it is guessed to be the left one", 0.75, 0.9)


@pytest.mark.parametrize(
    ("shape", "flag"),
    [
        (Plausibility(2.0, 3.0, 0.5, 20.0), None),
        (Plausibility(1.0, 1.0, 1.5, -20.0), None),
        (Plausibility(2.1, 4.0, 2.0, 30.0), ("shape", 2.1, 2.0)),
        (Plausibility(1.0, 3.1, 2.0, 30.0), ("scatter", 3.1, 3.0)),
        (Plausibility(1.0, 1.0, 0.4, 30.0), ("size", 0.4, 0.5)),
        (Plausibility(1.0, 1.0, 1.6, 30.0), ("size", 1.6, 1.5)),
        (Plausibility(1.0, 1.0, 1.0, -21.0), ("lean", 21.0, 20.0)),
    ],
)
def test_the_first_score_beyond_its_limit_is_named(shape: Plausibility, flag: tuple[str, float, float] | None) -> None:
    found = check_shape(shape, Thresholds(shape=2.0, residual_mm=3.0, scale=(0.5, 1.5), turn_deg=20.0))
    assert (found is None) == (flag is None)
    if found is not None and flag is not None:
        assert found == Flag("implausible", f"the landmarks are not those of a knee, by their {flag[0]}", *flag[1:])


def test_scores_of_a_knee_that_is_not_measured_stand_in_the_flag() -> None:
    unsure = check_landmarks(np.array([0.1, 0.2]), "L", Thresholds(landmarks=0.2))
    assert unsure is not None and (unsure.score, unsure.threshold) == (pytest.approx(0.15), 0.2)
    assert unsure.message.startswith("the landmarks could not be found on the left side (confidence 0.1")
    beside = check_position(MEAN + 100, region(1, 0, 0, 0, (100.0, 113.0)), Thresholds(joint_mm=12.0))
    assert beside is not None and (beside.score, beside.threshold) == (pytest.approx(13.0), 12.0)


@pytest.mark.parametrize(
    ("x", "y", "outside"),
    [
        (-0.5, 10.0, 0),
        (-0.6, 10.0, 1),
        (10.0, -0.6, 1),
        (49.5, 10.0, 0),
        (49.6, 10.0, 1),
        (10.0, 29.5, 0),
        (10.0, 29.6, 1),
        (-1.0, -1.0, 1),
    ],
)
def test_the_film_ends_at_the_border_of_its_last_pixel(x: float, y: float, outside: int) -> None:
    radiograph = Radiograph(np.eye(30, 50), (0.5, 0.5))
    points = np.full((16, 2), 10.0)
    points[3] = x, y
    flag = check_border(Landmarks(points), radiograph)
    assert (flag is None) == (outside == 0)
    assert flag is None or (flag.score, flag.threshold) == (outside, 1.0)
