"""Measurements of a PA knee: values worked out by hand on a knee made of straight lines."""

from __future__ import annotations

import numpy as np
import pytest

from kneebundle.errors import KneeBundleError
from kneebundle.landmarks import Landmarks
from kneebundle.measurements.knee_pa import measure_knee_pa

LATERAL_GAP, MEDIAL_GAP = 6.0, 4.0


def right_knee() -> np.ndarray:
    """A right knee in mm: the plateau is level at y = 50, the condyles' outer points 6 and 4 mm above it."""
    tibia_x = [0, 10, 25, 35, 40, 45, 55, 70, 80]
    tibia_y = [50, 50, 50, 40, 42, 40, 50, 50, 50]
    femur_x = [2, 10, 25, 40, 55, 70, 82]
    femur_y = [40, 50 - LATERAL_GAP, 40, 30, 40, 50 - MEDIAL_GAP, 40]
    return np.array([*zip(tibia_x, tibia_y, strict=True), *zip(femur_x, femur_y, strict=True)], dtype=float)


def values(points: np.ndarray) -> dict[str, float]:
    return {name: m.value for name, m in measure_knee_pa(Landmarks(points, "mm")).items()}


def rotated(points: np.ndarray, degrees: float) -> np.ndarray:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return points @ np.array([[c, s], [-s, c]])


def mirrored(points: np.ndarray) -> np.ndarray:
    return points * [-1, 1] + [100, 0]


def test_values_of_a_knee_drawn_by_hand() -> None:
    found = values(right_knee())
    assert found == pytest.approx(
        {
            "joint_space_width_lateral": 6.0,
            "joint_space_width_medial": 4.0,
            "joint_space_width_lateral_minimum": 6.0,
            "joint_space_width_medial_minimum": 4.0,
            "tibial_plateau_width": 80.0,
            "femoral_width": 80.0,
            "tibiofemoral_shift": -2.0,
            "joint_line_convergence_angle": np.degrees(np.arctan(2 / 60)),
            "tibial_plateau_tilt": 0.0,
        }
    )


def test_lengths_are_mm_and_angles_degrees() -> None:
    units = {name: m.unit for name, m in measure_knee_pa(Landmarks(right_knee(), "mm")).items()}
    assert {name for name, unit in units.items() if unit == "deg"} == {
        "joint_line_convergence_angle",
        "tibial_plateau_tilt",
    }
    assert set(units.values()) == {"mm", "deg"}


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


def test_overlapping_bones_have_a_negative_width_and_no_distance() -> None:
    points = right_knee()
    points[14, 1] = 51.5
    found = values(points)
    assert found["joint_space_width_medial"] == pytest.approx(-1.5)
    assert found["joint_space_width_medial_minimum"] == 0.0


def test_the_minimum_is_found_away_from_the_landmarks_pair() -> None:
    points = right_knee()
    points[13] = [62, 47.5]
    assert values(points)["joint_space_width_medial_minimum"] == pytest.approx(2.5)


def test_points_in_pixels_raise_an_error() -> None:
    with pytest.raises(KneeBundleError, match="in px; measurements need 'knee_pa' in mm"):
        measure_knee_pa(Landmarks(right_knee(), "px"))
