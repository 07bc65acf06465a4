"""Made films: knees are where the truth says, sides as displayed, the same film for the same seed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kneebundle.errors import KneeBundleError
from kneebundle.phantoms.pa.bilateral import BilateralFilms, FilmTruth, KneeImage, make_bilateral
from kneebundle.phantoms.pa.implants import add_implants
from kneebundle.phantoms.pa.knee import draw_knee
from kneebundle.radiograph import Radiograph, Side

SPACING = 0.45
Pair = tuple[KneeImage, KneeImage]


def knee(seed: int, side: Side) -> KneeImage:
    film, landmarks = draw_knee(np.random.default_rng(seed), side=side, kl=1, size_mm=105.3, spacing_mm=SPACING)
    return KneeImage(film.pixels, SPACING, landmarks.points, side)


@pytest.fixture(scope="module")
def pair() -> tuple[KneeImage, KneeImage]:
    return knee(0, "R"), knee(1, "L")


def film(
    right: KneeImage | None, left: KneeImage | None, seed: int = 0, **options: Any
) -> tuple[Radiograph, FilmTruth]:
    return make_bilateral(right, left, np.random.default_rng(seed), **{"implants": 0.0, **options})


def dot_on_dark(item: KneeImage, landmark: int) -> KneeImage:
    """A knee that is bright in its upper third and dark below, but for a bright dot at a landmark, 3 mm wide."""
    y, x = np.mgrid[: item.pixels.shape[0], : item.pixels.shape[1]]
    distance = (x - item.landmarks_px[landmark, 0]) ** 2 + (y - item.landmarks_px[landmark, 1]) ** 2
    bright = 100.0 + 500.0 * (y < item.pixels.shape[0] / 3)
    return item._replace(pixels=bright + 400 * np.exp(-distance / (2 * (1.3 / SPACING) ** 2)))


def brightest_blob(image: np.ndarray, near: np.ndarray, radius: int) -> np.ndarray:
    x0, y0 = np.round(near).astype(int)
    window = image[y0 - radius : y0 + radius + 1, x0 - radius : x0 + radius + 1].astype(float)
    weight = np.clip(window - 0.5 * (window.max() + np.median(window)), 0, None)
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    return np.array([x0 + (weight * x).sum() / weight.sum(), y0 + (weight * y).sum() / weight.sum()])


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("landmark", [4, 8])
def test_a_dot_at_a_landmark_is_found_at_its_place_on_the_film(pair: Pair, seed: int, landmark: int) -> None:
    right, left = pair
    image, truth = film(dot_on_dark(right, landmark), dot_on_dark(left, landmark), seed, spacing_mm=0.5)
    for side in ("R", "L"):
        expected = truth.landmarks_px[side][landmark]
        assert np.linalg.norm(brightest_blob(image.pixels, expected, radius=8) - expected) < 0.5


def test_centers_are_landmark_4(pair: Pair) -> None:
    _, truth = film(*pair)
    for side in ("R", "L"):
        assert np.array_equal(truth.centers_px[side], truth.landmarks_px[side][4])


@pytest.mark.parametrize("seed", range(20))
def test_knees_are_similar_figures_at_physical_scale_well_inside_the_film(pair: Pair, seed: int) -> None:
    image, truth = film(*pair, seed=seed, spacing_mm=2.0)
    height, width = image.pixels.shape
    for side, item in zip("RL", pair, strict=True):
        source = (item.landmarks_px - item.landmarks_px[4]) * SPACING @ [1, 1j]
        shown = (truth.landmarks_px[side] - truth.landmarks_px[side][4]) * 2.0 @ [1, 1j]
        turn = np.delete(shown, 4) / np.delete(source, 4)
        assert np.ptp(turn.real) < 1e-6 and np.ptp(turn.imag) < 1e-6
        assert 0.8 < abs(turn[0]) < 1.25
        assert abs(np.rad2deg(np.angle(turn[0]))) <= 8.0001
        assert (truth.landmarks_px[side] > 0).all() and (truth.landmarks_px[side] < (width, height)).all()


@pytest.mark.parametrize("seed", range(10))
def test_right_knee_is_in_the_left_half_and_lateral_sides_are_outside(pair: Pair, seed: int) -> None:
    _, truth = film(*pair, seed=seed, spacing_mm=2.0)
    right, left = truth.landmarks_px["R"], truth.landmarks_px["L"]
    assert right[:, 0].max() < left[:, 0].min()
    assert right[0, 0] < right[8, 0] < left[8, 0] < left[0, 0]


def test_spacing_and_size_are_those_asked_for(pair: Pair) -> None:
    image, _ = film(*pair, spacing_mm=0.8, size_mm=(400, 320))
    assert image.spacing_mm == (0.8, 0.8)
    assert image.pixels.shape == (400, 500)
    assert image.view == "pa-bilateral"
    assert image.pixels.min() >= 0 and image.pixels.max() <= 4095


def test_finer_film_shows_the_same_knees_at_the_same_mm(pair: Pair) -> None:
    _, coarse = film(*pair, 7, spacing_mm=2.0)
    _, fine = film(*pair, 7, spacing_mm=1.0)
    for side in ("R", "L"):
        assert np.allclose(coarse.landmarks_px[side] * 2.0, fine.landmarks_px[side] * 1.0)


def test_same_seed_same_film_and_other_seed_another(pair: Pair) -> None:
    first, again, other = film(*pair, 3), film(*pair, 3), film(*pair, 4)
    assert np.array_equal(first[0].pixels, again[0].pixels)
    assert np.array_equal(first[1].landmarks_px["L"], again[1].landmarks_px["L"])
    assert not np.allclose(first[1].centers_px["R"], other[1].centers_px["R"])


def test_inverted_film_is_the_negative(pair: Pair) -> None:
    plain, inverted = film(*pair, 2), film(*pair, 2, inverted=True)
    assert np.allclose(plain[0].pixels, 4095 - inverted[0].pixels, atol=1e-2)
    assert inverted[1].inverted and not plain[1].inverted


def test_a_knee_of_the_other_side_is_mirrored(pair: Pair) -> None:
    right, _ = pair
    _, truth = film(right, right)
    assert truth.landmarks_px["L"][0, 0] > truth.landmarks_px["L"][8, 0]


@pytest.mark.parametrize("absent", ["empty", "amputated"])
def test_a_missing_knee_has_no_truth_and_leaves_its_half_without_bone_at_the_joint(pair: Pair, absent: str) -> None:
    both, one = film(*pair, 1), film(pair[0], None, 1, absent=absent)
    assert set(one[1].centers_px) == {"R"} == set(one[1].implants)
    y, x = np.round(both[1].centers_px["L"][::-1]).astype(int)
    there, gone = (image.pixels[y - 20 : y + 20, x - 20 : x + 20] for image in (both[0], one[0]))
    assert gone.std() < 0.3 * there.std()


def test_stump_is_there_only_where_asked_for(pair: Pair) -> None:
    empty, stump = (film(pair[0], None, 1, absent=a, size_mm=(400, 400))[0].pixels for a in ("empty", "amputated"))
    thigh = (slice(10, 60), slice(230, 330))
    assert stump[thigh].std() > 3 * empty[thigh].std()


def test_film_without_any_knee_or_too_small_is_an_error(pair: Pair) -> None:
    with pytest.raises(KneeBundleError, match="at least one"):
        film(None, None)
    with pytest.raises(KneeBundleError, match="280 x 220"):
        film(*pair, size_mm=(200, 300))
    with pytest.raises(KneeBundleError, match="16, 2"):
        film(pair[0]._replace(landmarks_px=np.zeros((3, 2))), pair[1])


def test_implants_are_bright_named_and_drawn_when_certain(pair: Pair) -> None:
    _, truth = film(*pair, 5, spacing_mm=2.0)
    names: set[str] = set()
    for seed in range(30):
        image = np.zeros(tuple(np.full(2, 200)), dtype=np.float32)
        points = truth.landmarks_px["R"] - truth.centers_px["R"] + 100
        added = add_implants(image, points, 2.0, 1.0, np.random.default_rng(seed))
        assert len(added) == 1 and image.max() > 1
        names.update(added)
    assert names == {"knee replacement", "plate", "nail", "screws", "staples"}
    assert film(*pair, 5, spacing_mm=2.0)[1].implants == {"R": (), "L": ()}


def test_films_of_a_collection_are_the_same_in_any_order(pair: Pair) -> None:
    knees = [*pair, knee(2, "R"), knee(3, "L")]
    films, again = BilateralFilms(knees, 4, 9, 2.0), BilateralFilms(knees, 4, 9, 2.0)
    backwards = [again[i] for i in (3, 2, 1, 0)][::-1]
    for i in range(4):
        assert np.array_equal(films[i][0].pixels, backwards[i][0].pixels)
    assert len(films) == 4
    assert not np.allclose(films[0][1].centers_px["R"], films[1][1].centers_px["R"])
    assert not np.allclose(films[0][1].centers_px["R"], BilateralFilms(knees, 4, 10, 2.0)[0][1].centers_px["R"])


def test_collection_takes_plain_tuples_of_one_side_and_ends(pair: Pair) -> None:
    films = BilateralFilms([tuple(pair[1])], 2, 0, 2.0)
    assert [set(truth.centers_px) for _, truth in films] == [{"R", "L"}] * 2
    with pytest.raises(IndexError):
        films[2]
    with pytest.raises(KneeBundleError, match="no knees"):
        BilateralFilms([], 1, 0)


def test_collection_leaves_knees_out_and_inverts_on_request(pair: Pair) -> None:
    films = BilateralFilms(list(pair), 6, 0, 2.0, missing=1.0, inverted=1.0)
    truths = [truth for _, truth in films]
    assert [(len(truth.centers_px), truth.inverted) for truth in truths] == [(1, True)] * 6
