"""The drawn hand: the same from the same seed, its points on it."""

import numpy as np

from kneebundle.datasets.phantoms.hand import draw_hand
from kneebundle.datasets.phantoms.hand_samples import write_hand_samples
from kneebundle.landmarks import HAND


def test_the_same_seed_draws_the_same_pixels() -> None:
    first, points = draw_hand(np.random.default_rng(3), spacing_mm=1.5)
    again, same = draw_hand(np.random.default_rng(3), spacing_mm=1.5)
    assert np.array_equal(first.pixels, again.pixels) and np.array_equal(points.points, same.points)


def test_all_landmarks_lie_inside_and_wrists_are_about_50_mm() -> None:
    lengths = []
    for seed in range(6):
        film, landmarks = draw_hand(np.random.default_rng(seed), spacing_mm=1.5)
        assert landmarks.landmark_set is HAND
        assert (landmarks.points > 0).all() and (landmarks.points < film.pixels.shape[::-1]).all()
        lengths.append(1.5 * float(np.linalg.norm(landmarks.points[4] - landmarks.points[0])))
    assert 47 < np.mean(lengths) < 53


def test_bones_are_brighter_than_the_flesh_beside_them() -> None:
    """Half way along the bones of the fingers, against 9 mm beside them; most, for letters and shutters may cover one."""
    brighter = []
    for seed in range(4):
        film, landmarks = draw_hand(np.random.default_rng(seed), spacing_mm=0.8)
        for first, last in ((21, 22), (25, 26), (29, 30), (15, 25), (16, 21)):
            a, b = landmarks.points[first], landmarks.points[last]
            middle, across = (a + b) / 2, np.array([a[1] - b[1], b[0] - a[0]]) / np.linalg.norm(b - a)
            values = [film.pixels[tuple(np.round(middle + k * across).astype(int)[::-1])] for k in (0, 9 / 0.8)]
            brighter.append(values[0] > values[1])
    assert np.mean(brighter) > 0.8


def test_samples_come_with_their_labels(tmp_path) -> None:
    from kneebundle.datasets.hands import hand_records

    write_hand_samples(tmp_path, count=3)
    records = hand_records(str(tmp_path), "training", fold=0, epoch_size=2, phantom_share=0.0)
    assert [r["id"] for r in records] == ["hand_1", "hand_2"]
