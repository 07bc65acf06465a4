"""The drawn hand: the same from the same seed, its points on it."""

import numpy as np

from kneebundle.landmarks import HAND
from kneebundle.phantoms.hand.collection import PhantomHands
from kneebundle.phantoms.hand.hand import draw_hand


def test_the_same_seed_draws_the_same_pixels() -> None:
    first, points = draw_hand(np.random.default_rng(3), spacing_mm=1.5)
    again, same = draw_hand(np.random.default_rng(3), spacing_mm=1.5)
    assert np.array_equal(first.pixels, again.pixels) and np.array_equal(points.points, same.points)


def test_a_hand_of_the_data_set_is_the_one_of_its_seed_and_index() -> None:
    radiograph, points = PhantomHands(5, seed=2, spacing_mm=1.5)[3]
    again, same = draw_hand(np.random.default_rng([2, 3]), spacing_mm=1.5)
    assert np.array_equal(radiograph.pixels, again.pixels) and np.array_equal(points.points, same.points)


def test_all_landmarks_lie_inside_and_wrists_are_about_50_mm() -> None:
    lengths = []
    for seed in range(6):
        film, landmarks = draw_hand(np.random.default_rng(seed), spacing_mm=1.5)
        assert landmarks.landmark_set is HAND
        assert (landmarks.points > 0).all() and (landmarks.points < film.pixels.shape[::-1]).all()
        lengths.append(1.5 * float(np.linalg.norm(landmarks.points[4] - landmarks.points[0])))
    assert 47 < np.mean(lengths) < 53


def test_bones_are_brighter_than_the_flesh_beside_them() -> None:
    """Half way along the bones of the fingers, against 9 mm beside them; letters and shutters may cover one."""
    brighter = []
    for seed in range(4):
        film, landmarks = draw_hand(np.random.default_rng(seed), spacing_mm=0.8)
        for first, last in ((21, 22), (25, 26), (29, 30), (15, 25), (16, 21)):
            a, b = landmarks.points[first], landmarks.points[last]
            middle, across = (a + b) / 2, np.array([a[1] - b[1], b[0] - a[0]]) / np.linalg.norm(b - a)
            values = [film.pixels[tuple(np.round(middle + k * across).astype(int)[::-1])] for k in (0, 9 / 0.8)]
            brighter.append(values[0] > values[1])
    assert np.mean(brighter) > 0.8
