"""Flags of a knee and their thresholds."""

import numpy as np
import pytest

from kneebundle.landmarks import Landmarks
from kneebundle.measurements.knee_shape import load_shape_model
from kneebundle.measurements.plausibility import measure_plausibility
from kneebundle.pipelines.knee_check import CheckedRegion
from kneebundle.pipelines.quality import (
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
