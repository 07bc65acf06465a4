"""Made films of the world: knees where they are said to be, metal that covers the joint, balls that leave it free."""

import numpy as np
import pytest

from kneebundle.measurements.knee_shape import load_shape_model
from kneebundle.phantoms.pa.bilateral import KneeImage
from kneebundle.phantoms.pa.knee import PhantomKnees
from kneebundle.phantoms.pa.replacements import add_replacement
from kneebundle.phantoms.pa.world import make_world_film


@pytest.fixture(scope="module")
def knee() -> KneeImage:
    radiograph, landmarks, _ = PhantomKnees(1, seed=0, size_mm=110.0)[0]
    return KneeImage(radiograph.pixels, radiograph.spacing_mm[0], landmarks.points, "R")


def test_the_same_generator_gives_the_same_film(knee: KneeImage) -> None:
    first, second = (make_world_film(knee, None, np.random.default_rng(5)) for _ in range(2))
    assert np.array_equal(first.pixels, second.pixels)


@pytest.mark.parametrize("seed", range(4))
def test_a_single_knee_lies_on_its_film(knee: KneeImage, seed: int) -> None:
    film = make_world_film(None, knee, np.random.default_rng(seed), equalized=0.0)
    assert [k.side for k in film.knees] == ["L"]
    x, y = film.knees[0].landmarks_px[4]
    assert 0 <= x < film.pixels.shape[1] and 0 <= y < film.pixels.shape[0]
    assert film.knees[0].landmarks_px[0, 0] > film.knees[0].landmarks_px[8, 0]  # lateral on the image's right
    assert film.pixels.min() >= 0 and film.pixels.max() <= 1


def test_of_two_knees_the_right_one_is_on_the_left(knee: KneeImage) -> None:
    film = make_world_film(knee, knee, np.random.default_rng(2), equalized=0.0)
    right, left = film.knees
    assert (right.side, left.side) == ("R", "L") and left.landmarks_px[4, 0] - right.landmarks_px[4, 0] > 100


@pytest.mark.parametrize("kind", ["total", "partial", "hinge"])
def test_a_replacement_is_brighter_than_bone_and_covers_a_condyle(kind: str) -> None:
    landmarks = load_shape_model().mean * 2 + 150
    film = np.ones((300, 300), dtype=np.float32)
    add_replacement(film, landmarks, 0.5, kind, np.random.default_rng(3))  # type: ignore[arg-type]
    metal = film > 1.2
    assert 300 < metal.sum() * 0.25 < 9000  # mm2
    rows, columns = np.nonzero(metal)
    assert landmarks[:, 0].min() - 20 < columns.mean() < landmarks[:, 0].max() + 20
    assert rows.min() < landmarks[4, 1] < rows.max()


def test_an_equalized_film_has_more_contrast_where_it_had_little(knee: KneeImage) -> None:
    plain, equal = (
        make_world_film(knee, None, np.random.default_rng(1), equalized=e, inverted=0.0, clutter=0.0)
        for e in (0.0, 1.0)
    )
    assert np.array_equal(plain.knees[0].landmarks_px, equal.knees[0].landmarks_px)
    x, y = np.round(plain.knees[0].landmarks_px[4]).astype(int)
    joint = np.s_[y - 20 : y + 20, x - 20 : x + 20]
    assert equal.pixels[joint].std() > 1.2 * plain.pixels[joint].std()
    assert equal.pixels.min() >= 0 and equal.pixels.max() <= 1
