"""Measurements from landmarks: values worked out by hand on a knee made of straight lines."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kneebundle.landmarks import Landmarks
from kneebundle.measurements.landmark_measurements import RADIUS_DEVIATIONS, measure_landmarks
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


def uneven_knee() -> np.ndarray:
    """No two of its points at one height, none in a line."""
    return rotated(right_knee(), 8) + np.random.default_rng(5).uniform(-3, 3, (16, 2))


def test_each_value_is_taken_from_its_own_landmarks() -> None:
    """The definitions of docs/measurements.md once more, in complex numbers: real along the plateau, medially."""
    p = uneven_knee()
    z = (p[:, 0] - 1j * p[:, 1]) * np.exp(-1j * np.angle((p[7, 0] - p[1, 0]) - 1j * (p[7, 1] - p[1, 1])))
    condyles, plateau = z[14] - z[10], p[7] - p[1]
    assert values(p) == pytest.approx(
        {
            "tibial_plateau_width": abs(z[8] - z[0]),
            "femoral_width": abs(z[15] - z[9]),
            "tibiofemoral_shift": ((z[0] + z[8] - z[9] - z[15]) / 2).real,
            "joint_line_convergence_angle": -np.degrees(np.arctan(condyles.imag / condyles.real)),
            "tibial_plateau_tilt": np.degrees(np.arctan(-plateau[1] / plateau[0])),
            "tibial_spine_height_medial": (z[5] - z[1]).imag,
            "tibial_spine_height_lateral": (z[3] - z[1]).imag,
        }
    )


def test_the_lines_show_how_each_value_was_taken() -> None:
    p = uneven_knee()
    found = measure_landmarks(Landmarks(p, "mm"), SQUARE)
    along = (p[7] - p[1]) / np.linalg.norm(p[7] - p[1])
    plateau, tibia, femur = p[[1, 7]], p[[0, 8]], p[[9, 15]]
    shown = {
        "tibial_plateau_width": [tibia],
        "femoral_width": [femur],
        "joint_line_convergence_angle": [p[[10, 14]], plateau],
        "tibial_plateau_tilt": [plateau, np.array([p[1], [p[7, 0], p[1, 1]]])],
    }
    for name, lines in shown.items():
        np.testing.assert_allclose(found[name].segments_px, lines)
    shift, across, *edges = found["tibiofemoral_shift"].segments_px
    np.testing.assert_allclose(edges, [tibia, femur])
    np.testing.assert_allclose(shift[0], femur.mean(axis=0))
    np.testing.assert_allclose(across[0], tibia.mean(axis=0))
    np.testing.assert_allclose(across[1], shift[1])
    assert (across[1] - across[0]) @ along == pytest.approx(0.0, abs=1e-9)
    for name, tip in (("tibial_spine_height_medial", 5), ("tibial_spine_height_lateral", 3)):
        height, base = found[name].segments_px
        np.testing.assert_allclose(base, plateau)
        np.testing.assert_allclose(height[1], p[tip])
        assert (height[1] - height[0]) @ along == pytest.approx(0.0, abs=1e-9)
        foot = height[0] - p[1]
        assert foot[0] * along[1] - foot[1] * along[0] == pytest.approx(0.0, abs=1e-9)


def test_a_knee_whose_plateau_has_no_length_is_measured_along_the_rows() -> None:
    p = right_knee()
    p[7] = p[1]
    found = values(p)
    assert found["tibiofemoral_shift"] == pytest.approx(-2.0)
    assert found["tibial_spine_height_medial"] == pytest.approx(10.0)
    with np.errstate(all="raise"):
        at_one_place = values(np.full((16, 2), 20.0))
    assert at_one_place == dict.fromkeys(at_one_place, 0.0)


def test_up_is_away_from_the_image_s_foot_where_the_bones_do_not_tell() -> None:
    p = np.zeros((16, 2))
    p[5] = (5.0, -9.0)
    p[9] = (0.0, -7.0)  # one of seven: the femur's mean is as high as the tibia's
    assert values(p)["tibial_spine_height_medial"] == pytest.approx(9.0)


def test_each_landmark_brings_its_own_radius() -> None:
    radii = np.linspace(0.5, 3.0, 16)
    found = measure_landmarks(Landmarks(right_knee(), "mm", radius_mm=radii), SQUARE)
    for name, (first, second) in {"tibial_plateau_width": (0, 8), "femoral_width": (9, 15)}.items():
        expected = np.hypot(radii[first], radii[second]) / RADIUS_DEVIATIONS
        assert found[name].uncertainty == pytest.approx(expected, rel=1e-3)
    radii[4] = np.nan  # even of a landmark that no width rests on
    unknown = measure_landmarks(Landmarks(right_knee(), "mm", radius_mm=radii), SQUARE)
    assert {m.uncertainty for m in unknown.values()} == {None}


@pytest.mark.parametrize("change", [lambda p: p, mirrored])
def test_a_tiny_knee_has_the_same_angles_and_lengths_in_proportion(change) -> None:  # type: ignore[no-untyped-def]
    plain, tiny = values(uneven_knee()), values(change(uneven_knee()) / 100)
    for name, value in plain.items():
        is_angle = name in ("joint_line_convergence_angle", "tibial_plateau_tilt")
        assert tiny[name] == pytest.approx(value if is_angle else value / 100)  # type: ignore[operator]


def test_the_uncertainty_of_a_tiny_knee_is_that_of_its_landmarks_too() -> None:
    landmarks = Landmarks(right_knee() / 100, "mm", radius_mm=np.full(16, RADIUS_DEVIATIONS))
    assert measure_landmarks(landmarks, SQUARE)["tibial_plateau_width"].uncertainty == pytest.approx(2**0.5, rel=1e-3)
