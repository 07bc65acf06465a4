"""Coordinates of a knee: the same numbers for the same place, whichever side it is and however it lies."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from kneebundle.errors import KneeBundleError
from kneebundle.landmarks import KNEE_LATERAL, Landmarks
from kneebundle.measurements.knee_frame import KneeFrame
from tests.measurements.drawn_joints import right_knee


def test_a_level_right_knee_is_read_off_the_image() -> None:
    """Its plateau is level at y = 120; the medial edge of its femur is at x = 142, the lateral one at x = 62."""
    frame = KneeFrame.place(Landmarks(right_knee(), "mm"))
    np.testing.assert_allclose(frame.origin, [142.0, 120.0])
    np.testing.assert_allclose(frame.lateral, [-1.0, 0.0])
    np.testing.assert_allclose(frame.up, [0.0, -1.0])
    assert frame.width == pytest.approx(80.0)
    places, coordinates = np.array([[62.0, 110.0], [142.0, 125.0]]), np.array([[80.0, 10.0], [0.0, -5.0]])
    np.testing.assert_allclose(frame.to_knee(places), coordinates, atol=1e-9)
    np.testing.assert_allclose(frame.to_mm(coordinates), places)


@pytest.mark.parametrize("left", [False, True])
@pytest.mark.parametrize("degrees", [0, 25, 90, 180, -70])
def test_a_left_or_turned_knee_has_the_same_coordinates(left: bool, degrees: float) -> None:
    knee = right_knee()
    knee[7, 1] += 3.0  # a plateau that is not level
    plain = KneeFrame.place(Landmarks(knee, "mm"))
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    moved = (knee * (-1 if left else 1, 1)) @ np.array([[c, s], [-s, c]]) + (7.0, -30.0)
    frame = KneeFrame.place(Landmarks(moved, "mm"))
    np.testing.assert_allclose(frame.to_knee(moved), plain.to_knee(knee), atol=1e-9)
    np.testing.assert_allclose(frame.to_mm(frame.to_knee(moved)), moved)
    assert frame.width == pytest.approx(plain.width)
    assert np.hypot(*frame.lateral) == pytest.approx(1.0) and frame.lateral @ frame.up == pytest.approx(0.0)
    assert frame.to_knee(moved[10:15])[:, 1].min() > 0 > frame.to_knee(moved[4])[1] - 20


@pytest.mark.parametrize(("number", "y"), [(15, 300.0), (9, 127.0), (8, 100.0)])
def test_all_landmarks_of_both_bones_tell_where_up_is(number: int, y: float) -> None:
    """A femur 1 mm above the tibia, until one landmark lies so far off that it is below, by the means of the bones."""
    knee = right_knee()
    knee[:9, 1], knee[9:, 1] = 120.0, 119.0
    assert KneeFrame.place(Landmarks(knee, "mm")).up[1] == pytest.approx(-1.0)
    knee[number, 1] = y
    assert KneeFrame.place(Landmarks(knee, "mm")).up[1] == pytest.approx(1.0)


def test_the_plateau_is_the_line_through_landmarks_1_and_7_alone_even_of_a_tiny_knee() -> None:
    knee = right_knee() + np.random.default_rng(5).uniform(-3, 3, (16, 2))
    frame, tiny = KneeFrame.place(Landmarks(knee, "mm")), KneeFrame.place(Landmarks(knee / 100, "mm"))
    found = frame.to_knee(knee)
    np.testing.assert_allclose(found[[1, 7], 1], 0.0, atol=1e-9)
    assert np.abs(found[[0, 2, 6, 8], 1]).min() > 0.05
    np.testing.assert_allclose(tiny.to_knee(knee / 100), found / 100, atol=1e-9)


def test_a_knee_of_one_point_has_a_frame_along_the_image() -> None:
    frame = KneeFrame.place(Landmarks(np.full((16, 2), 20.0), "mm"))
    assert frame.lateral.tolist() == [1.0, 0.0]
    assert frame.up.tolist() == [0.0, -1.0]
    assert frame.width == 0.0


@pytest.mark.parametrize("landmarks", [Landmarks(right_knee(), "px"), Landmarks(np.zeros((2, 2)), "mm", KNEE_LATERAL)])
def test_pixels_and_other_landmarks_have_no_frame(landmarks: Landmarks) -> None:
    with pytest.raises(KneeBundleError, match="measurements need 'knee_pa' in mm"):
        KneeFrame.place(landmarks)


def test_one_missing_coordinate_is_said() -> None:
    points = right_knee()
    points[12, 1] = np.nan
    with pytest.raises(KneeBundleError, match="some of the landmarks are missing"):
        KneeFrame.place(Landmarks(points, "mm"))


def test_a_frame_stays_where_it_was_placed() -> None:
    frame = KneeFrame.place(Landmarks(right_knee(), "mm"))
    with pytest.raises(FrozenInstanceError):
        frame.width = 1.0  # type: ignore[misc]
