"""What lies on a radiograph beside the knees."""

import numpy as np
import pytest

from kneebundle.measurements.knee_shape import load_shape_model
from kneebundle.phantoms.pa import clutter


def test_a_ball_never_covers_landmarks() -> None:
    landmarks = load_shape_model().mean + 150
    for seed in range(20):
        film = np.zeros((300, 300), dtype=np.float32)
        clutter.add_ball(film, [landmarks], 1.0, np.random.default_rng(seed))
        at = np.round(landmarks).astype(int)
        assert not film[at[:, 1], at[:, 0]].any()


@pytest.mark.parametrize("name", clutter.__all__)
def test_each_leaves_something_on_the_film(name: str) -> None:
    landmarks = load_shape_model().mean + 150
    film = np.zeros((300, 300), dtype=np.float32)
    for seed in range(5):
        getattr(clutter, name)(film, [landmarks], 1.0, np.random.default_rng(seed))
    assert (film > 0.04).any() and np.isfinite(film).all() and film.dtype == np.float32
