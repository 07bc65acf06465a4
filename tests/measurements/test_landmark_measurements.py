"""Measurements from landmarks: values worked out by hand on a knee made of straight lines."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kneebundle.landmarks import Landmarks
from kneebundle.measurements.landmark_measurements import measure_landmarks
from tests.measurements.drawn_joints import right_knee

SQUARE = (1.0, 1.0)


def values(points: np.ndarray) -> dict[str, float | None]:
    return {name: m.value for name, m in measure_landmarks(Landmarks(points, "mm"), SQUARE).items()}


def rotated(points: np.ndarray, degrees: float) -> np.ndarray:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return points @ np.array([[c, s], [-s, c]])


def mirrored(points: np.ndarray) -> np.ndarray:
    return points * [-1, 1] + [200, 0]


def test_values_of_a_knee_drawn_by_hand() -> None:
    assert values(right_knee()) == pytest.approx(
        {
            "tibial_plateau_width": 80.0,
            "femoral_width": 80.0,
            "tibiofemoral_shift": -2.0,
            "joint_line_convergence_angle": np.degrees(np.arctan(2 / 60)),
            "tibial_plateau_tilt": 0.0,
            "tibial_spine_height_medial": 10.0,
            "tibial_spine_height_lateral": 10.0,
        }
    )


@pytest.mark.parametrize("change", [mirrored, lambda p: rotated(p, 25), lambda p: rotated(p, 180)])
def test_a_left_or_turned_knee_measures_the_same(change) -> None:  # type: ignore[no-untyped-def]
    before, after = values(right_knee()), values(change(right_knee()))
    del before["tibial_plateau_tilt"], after["tibial_plateau_tilt"]
    assert after == pytest.approx(before)


def test_tilt_is_positive_where_the_medial_side_is_higher() -> None:
    turned = rotated(right_knee(), -5)  # the medial end of a right knee, on the image's right, goes up
    assert turned[7, 1] < turned[1, 1]
    assert values(turned)["tibial_plateau_tilt"] == pytest.approx(5.0)
    assert values(mirrored(turned))["tibial_plateau_tilt"] == pytest.approx(5.0)


def test_the_uncertainty_is_that_of_the_landmarks() -> None:
    landmarks = Landmarks(right_knee(), "mm", radius_mm=np.full(16, 2.146))
    found = measure_landmarks(landmarks, SQUARE)
    assert found["tibial_plateau_width"].uncertainty == pytest.approx(np.sqrt(2.0), rel=1e-3)
    assert found["tibiofemoral_shift"].uncertainty == pytest.approx(1.0, rel=0.05)
    # two points 60 mm apart, each off by 1 mm across
    assert found["tibial_plateau_tilt"].uncertainty == pytest.approx(np.degrees(np.sqrt(2.0) / 60.0), rel=0.01)
    unknown = measure_landmarks(replace(landmarks, radius_mm=None), SQUARE)
    assert {m.uncertainty for m in unknown.values()} == {None}


def test_lines_are_in_pixels_of_the_radiograph() -> None:
    line = measure_landmarks(Landmarks(right_knee(), "mm"), (0.5, 0.2))["tibial_plateau_width"].segments_px[0]
    np.testing.assert_allclose(line, [[60 / 0.2, 120 / 0.5], [140 / 0.2, 120 / 0.5]])


def test_the_line_of_the_shift_is_as_long_as_the_shift() -> None:
    found = measure_landmarks(Landmarks(rotated(right_knee(), 20), "mm"), SQUARE)["tibiofemoral_shift"]
    start, end = found.segments_px[0]
    assert np.linalg.norm(end - start) == pytest.approx(abs(found.value))  # type: ignore[arg-type]
