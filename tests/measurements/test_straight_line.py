"""A straight line through points, whichever way it runs, and whatever lies beside it."""

from __future__ import annotations

import numpy as np
import pytest

from kneebundle.measurements.straight_line import LEAST_NEAR_MM, NEAR_DEVIATIONS, fit_line


def along(degrees: float, count: int = 41, noise: float = 0.0) -> np.ndarray:
    """Points on a line through (50, 80), 1 mm apart."""
    step = np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))])
    points = (50.0, 80.0) + np.arange(-(count // 2), count - count // 2)[:, None] * step
    return points + noise * np.random.default_rng(0).standard_normal(points.shape)


def off(line: tuple[np.ndarray, np.ndarray], degrees: float) -> tuple[float, float]:
    """Degrees between a line and that direction, and mm between it and (50, 80)."""
    center, direction = line
    assert np.hypot(*direction) == pytest.approx(1.0)
    turn = (np.degrees(np.arctan2(direction[1], direction[0])) - degrees + 90) % 180 - 90
    away = np.array([50.0, 80.0]) - center
    return abs(float(turn)), abs(float(away @ [-direction[1], direction[0]]))


@pytest.mark.parametrize("degrees", [0, 33, 90, 135, 179])
@pytest.mark.parametrize("robust", [False, True])
def test_a_line_is_found_whichever_way_it_runs(degrees: float, robust: bool) -> None:
    assert off(fit_line(along(degrees), robust), degrees) == pytest.approx((0, 0), abs=1e-6)
    turn, away = off(fit_line(along(degrees, noise=0.1), robust), degrees)
    assert turn < 0.3 and away < 0.1


@pytest.mark.parametrize("degrees", [0, 33, 90, 135])
def test_points_beside_the_line_do_not_move_it(degrees: float) -> None:
    points = along(degrees)
    across = np.array([-np.sin(np.radians(degrees)), np.cos(np.radians(degrees))])
    points[28:] += np.linspace(3, 20, 13)[:, None] * across
    assert off(fit_line(points), degrees) == pytest.approx((0, 0), abs=1e-6)
    assert off(fit_line(points, robust=False), degrees)[0] > 5


def test_points_within_a_fifth_of_a_millimetre_belong_to_the_line() -> None:
    """41 points on the line and one beside its end: nearer than that it counts, farther it does not."""
    points = along(0.0)
    for away, counts in ((0.19, True), (0.22, False)):
        beside = np.vstack([points, [[71.0, 80.0 + away]]])
        found = off(fit_line(beside), 0.0)[0]
        assert (found > 1e-3) == counts
    assert LEAST_NEAR_MM == 0.2


def test_points_that_scatter_more_belong_from_farther_away() -> None:
    """Half lie 1 mm above the line, half below: the limit is 3 x 1.4826 mm."""
    points = along(0.0, 40)
    points[:, 1] += np.where(np.arange(40) % 4 < 2, 1.0, -1.0)
    for away, counts in ((4.2, True), (4.8, False)):
        beside = np.vstack([points, [[50.0, 80.0 + away]]])
        center, _ = fit_line(beside)
        assert (center[1] > 80.05) == counts
    assert NEAR_DEVIATIONS == 3.0


def test_two_points_and_equal_points_have_a_line() -> None:
    center, direction = fit_line(np.array([[0.0, 0.0], [3.0, 4.0]]))
    np.testing.assert_allclose(np.abs(direction), [0.6, 0.8])
    np.testing.assert_allclose(center, [1.5, 2.0])
    doubled = np.array([[0.0, 0.0], [0.0, 0.0], [3.0, 4.0], [6.0, 8.0]])
    with np.errstate(all="raise"):
        np.testing.assert_allclose(np.abs(fit_line(doubled)[1]), [0.6, 0.8])
