"""Drawn lateral films: truths that hold in every film, sameness, errors."""

import numpy as np
import pytest
from scipy import ndimage

from kneebundle.errors import KneeBundleError
from kneebundle.landmarks import BONES
from kneebundle.phantoms.lateral import LateralKnee, LateralKnees, draw_lateral_knee

SIZE = 128


@pytest.fixture(scope="module")
def films() -> list[LateralKnee]:
    return LateralKnees(8, seed=7, size_px=SIZE)[:]


def from_outline(mask: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Distance in px of points to the outline of a mask, where the mask does not end with the film."""
    depth = ndimage.distance_transform_edt(mask) - ndimage.distance_transform_edt(~mask)
    return np.abs(ndimage.map_coordinates(depth, points.T[::-1], order=1))


def test_masks_and_image_fit_together(films: list[LateralKnee]) -> None:
    for film in films:
        assert film.masks.shape == (len(BONES), *film.image.shape) and film.masks.dtype == bool
        assert film.image.dtype == np.float32 and 0 <= film.image.min() < 60 and 160 < film.image.max() <= 255
        np.testing.assert_array_equal(film.image, np.rint(film.image))
        areas = film.masks.sum((1, 2)) * film.spacing_mm**2
        assert areas[0] > 3000 and 500 < areas[1] < 1600 and areas[2] > 900
        femur, bone = film.masks[0], film.masks.any(0)
        beside = ndimage.binary_dilation(femur, iterations=8) & ~ndimage.binary_dilation(bone, iterations=3)
        assert np.median(film.image[femur]) > np.median(film.image[beside]) + 10


def test_points_lie_on_the_femur(films: list[LateralKnee]) -> None:
    for film in films:
        femur = film.masks[0]
        assert (from_outline(femur, film.cortex_line) <= 1.0).all()
        x, y = film.landmarks[0].round().astype(int)
        assert femur[y, x], "p_blum is inside"
        prox, dist = film.cortex_line
        along = (dist - prox) / np.linalg.norm(dist - prox)
        assert 0 < (film.landmarks[1] - dist) @ along * film.spacing_mm < 20, "p_tmc is distal of p_dist"
        assert np.linalg.norm(dist - prox) * film.spacing_mm > 15


@pytest.mark.parametrize("seed", range(4))
def test_the_transition_is_on_the_outline_of_a_true_lateral_film(seed: int) -> None:
    film = draw_lateral_knee(np.random.default_rng(seed), SIZE, rotation_deg=(0.0, 0.0))
    assert from_outline(film.masks[0], film.landmarks[1:]) <= 1.5


def test_the_front_is_where_the_film_says(films: list[LateralKnee]) -> None:
    assert {film.facing for film in films} == {"left", "right"}
    for film in films:
        femur, patella = (np.argwhere(mask)[:, 1].mean() for mask in film.masks[:2])
        assert (patella > femur) == (film.facing == "right")


def test_facing_mirrors_all_there_is() -> None:
    left, right = (draw_lateral_knee(np.random.default_rng(3), SIZE, sphere=True, facing=f) for f in ("left", "right"))
    last = right.image.shape[1] - 1
    np.testing.assert_array_equal(left.image, right.image[:, ::-1])
    np.testing.assert_array_equal(left.masks, right.masks[:, :, ::-1])
    for one, other in ((left.landmarks, right.landmarks), (left.cortex_line, right.cortex_line)):
        np.testing.assert_allclose(one[:, 0], last - other[:, 0])
        np.testing.assert_allclose(one[:, 1], other[:, 1])
    assert left.sphere is not None and right.sphere is not None and left.sphere.x == last - right.sphere.x


@pytest.mark.parametrize("seed", [0, 4])
def test_the_sphere_is_15_mm_and_bright(seed: int) -> None:
    film = draw_lateral_knee(np.random.default_rng(seed), SIZE, sphere=True)
    assert film.sphere is not None
    assert film.sphere.radius_px == pytest.approx(15 / film.spacing_mm)
    v, u = np.mgrid[: film.image.shape[0], : film.image.shape[1]]
    away = np.hypot(u - film.sphere.x, v - film.sphere.y) / film.sphere.radius_px
    bone = np.logical_or.reduce(film.masks)
    assert film.image[away < 0.8].mean() > film.image[(away > 1.3) & (away < 1.8) & ~bone].mean() + 30
    assert bone[away < 1].mean() < 0.2


def test_the_same_seed_gives_the_same_film_and_another_one_does_not() -> None:
    knees = LateralKnees(5, seed=1, size_px=SIZE)
    one, again, longer = knees[2], knees[-3], LateralKnees(9, seed=1, size_px=SIZE)[2]
    np.testing.assert_array_equal(one.image, again.image)
    np.testing.assert_array_equal(one.masks, longer.masks)
    np.testing.assert_array_equal(one.landmarks, longer.landmarks)
    other = LateralKnees(5, seed=2, size_px=SIZE)[2]
    assert other.spacing_mm != one.spacing_mm
    with pytest.raises(IndexError):
        knees[5]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size_px": 50}, "at least 128"),
        ({"size_px": 256, "spacing_mm": 0.3}, "77 mm"),
        ({"flexion_deg": 90}, "0 to 70"),
        ({"rotation_deg": (20, 0)}, "-15 to 15"),
    ],
)
def test_what_cannot_be_drawn_is_an_error(arguments: dict, message: str) -> None:
    with pytest.raises(KneeBundleError, match=message):
        draw_lateral_knee(np.random.default_rng(0), **arguments)
