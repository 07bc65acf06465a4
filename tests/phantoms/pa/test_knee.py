"""Drawn PA radiographs of knees."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from kneebundle.errors import KneeBundleError
from kneebundle.phantoms.pa.knee import PhantomKnees, draw_knee
from kneebundle.phantoms.pa.outlines import EDGE_OFFSET_MM


def test_same_seed_draws_the_same_bytes_and_another_one_does_not() -> None:
    films = [draw_knee(np.random.default_rng(seed), kl=2, size_mm=90, spacing_mm=0.6) for seed in (7, 7, 8)]
    assert films[0][0].pixels.tobytes() == films[1][0].pixels.tobytes()
    assert films[0][1].points.tobytes() == films[1][1].points.tobytes()
    assert films[0][0].pixels.tobytes() != films[2][0].pixels.tobytes()


def test_left_knee_is_the_right_one_mirrored() -> None:
    right, right_points = draw_knee(np.random.default_rng(3), side="R", kl=1, size_mm=90, spacing_mm=0.6)
    left, left_points = draw_knee(np.random.default_rng(3), side="L", kl=1, size_mm=90, spacing_mm=0.6)
    np.testing.assert_array_equal(left.pixels, right.pixels[:, ::-1])
    np.testing.assert_allclose(left_points.points[:, 0], right.columns - 1 - right_points.points[:, 0])
    np.testing.assert_array_equal(left_points.points[:, 1], right_points.points[:, 1])
    assert right_points.points[0, 0] < right_points.points[8, 0], "a right knee's lateral side is on the image's left"
    assert (right.side, left.side) == ("R", "L")


def test_inverted_film_is_the_film_from_the_other_end_of_the_scale() -> None:
    plain, _ = draw_knee(np.random.default_rng(4), kl=0, size_mm=90, spacing_mm=0.6)
    inverted, _ = draw_knee(np.random.default_rng(4), kl=0, size_mm=90, spacing_mm=0.6, inverted=True)
    np.testing.assert_array_equal(inverted.pixels, 4095 - plain.pixels)


def test_films_show_the_bone_edges_at_the_landmarks() -> None:
    """Going up through the plateaus the mean image turns dark, through the condyles bright, at the landmarks."""
    ids = np.array([1, 7, 10, 14])
    along = np.arange(-3, 3.01, 0.1)
    profiles = np.zeros((len(ids), len(along)))
    for i in range(20):
        film, landmarks = draw_knee(np.random.default_rng(i), kl=i % 3, size_mm=90, spacing_mm=0.4)
        points = landmarks.points[ids] + EDGE_OFFSET_MM[ids] / 0.4
        rows = points[:, 1:] - along / 0.4
        pixels = (film.pixels - film.pixels.mean()) / film.pixels.std()
        profiles += ndimage.map_coordinates(pixels, [rows, np.broadcast_to(points[:, :1], rows.shape)], order=1)
    slope = np.gradient(ndimage.gaussian_filter1d(profiles, 2, axis=1), axis=1) * np.array([[-1], [-1], [1], [1]])
    np.testing.assert_allclose(along[slope.argmax(axis=1)], 0.0, atol=0.4)


def test_size_and_spacing_are_kept_and_the_joint_is_near_the_middle() -> None:
    film, landmarks = draw_knee(np.random.default_rng(5), size_mm=120, spacing_mm=0.5)
    assert film.pixels.shape == (240, 240)
    assert film.spacing_mm == (0.5, 0.5)
    assert np.abs(landmarks.to_mm(film.spacing_mm).points[4] - 119.5 * 0.5).max() < 6.1
    assert np.ptp(landmarks.to_mm(film.spacing_mm).points[:9, 0]) == pytest.approx(79, abs=20)


def test_grey_values_are_whole_and_use_the_range() -> None:
    film, _ = draw_knee(np.random.default_rng(6), kl=0, size_mm=100, spacing_mm=0.5)
    assert (film.pixels == np.rint(film.pixels)).all()
    assert film.pixels.min() >= 0 and film.pixels.max() <= 4095
    assert np.ptp(film.pixels) > 2000


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"side": "X"}, "the side is 'X'"),
        ({"kl": 7}, "grade is 7"),
        ({"size_mm": 20.0}, "size is 20.0 mm"),
        ({"spacing_mm": 0.0}, "spacing is 0.0 mm"),
        ({"size_mm": float("nan")}, "size is nan mm"),
    ],
)
def test_what_cannot_be_drawn_is_an_error(arguments: dict, reason: str) -> None:
    with pytest.raises(KneeBundleError, match=reason):
        draw_knee(np.random.default_rng(0), **arguments)


def test_data_set_gives_the_same_knee_for_an_index_in_any_order() -> None:
    knees = PhantomKnees(6, seed=1, size_mm=90, spacing_mm=0.8)
    last = knees[5]
    first = knees[0]
    again = PhantomKnees(12, seed=1, size_mm=90, spacing_mm=0.8)[5]
    np.testing.assert_array_equal(last[0].pixels, again[0].pixels)
    assert not np.array_equal(first[0].pixels, last[0].pixels)
    np.testing.assert_array_equal(knees[-1][0].pixels, last[0].pixels)


def test_data_set_has_all_grades_on_both_sides() -> None:
    knees = PhantomKnees(10, seed=0, inverted_every=5)
    assert {(knees.side(i), knees.kl(i)) for i in range(10)} == {(side, kl) for side in "RL" for kl in range(5)}
    assert [knees.inverted(i) for i in range(10)] == [False] * 4 + [True] + [False] * 4 + [True]


def test_data_set_ends() -> None:
    knees = PhantomKnees(2, size_mm=90, spacing_mm=1.0)
    assert len(knees) == 2
    with pytest.raises(IndexError):
        knees[2]
    assert [kl for _, _, kl in knees] == [0, 0]
