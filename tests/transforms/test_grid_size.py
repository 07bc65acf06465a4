"""Sizes that nobody means are one clear error, before memory is taken; those of real films are none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from kneebundle.errors import KneeBundleError
from kneebundle.phantoms.hand.hand import draw_hand
from kneebundle.phantoms.lateral.film import draw_lateral_knee
from kneebundle.phantoms.pa.bilateral import KneeImage, make_bilateral
from kneebundle.phantoms.pa.knee import draw_knee
from kneebundle.phantoms.pa.surroundings import surround
from kneebundle.phantoms.pa.world import make_world_film
from kneebundle.transforms.grid_size import count_pixels
from kneebundle.transforms.resample import resample_to_spacing
from kneebundle.transforms.roi import crop_roi

RNG = np.random.default_rng(0)
IMAGE = MetaTensor(torch.zeros(1, 8, 8))
POINTS = np.random.default_rng(1).uniform(10, 50, (16, 2))
KNEE = KneeImage(np.random.default_rng(2).uniform(0, 1, (64, 64)), 1.6, POINTS, "R")


@pytest.mark.parametrize(
    "make",
    [
        lambda: draw_knee(RNG, size_mm=1000, spacing_mm=0.05),
        lambda: draw_knee(RNG, size_mm=float("inf")),
        lambda: draw_knee(RNG, spacing_mm=1e-9),
        lambda: make_bilateral(KNEE, None, RNG, spacing_mm=1e-9),
        lambda: make_bilateral(KNEE, None, RNG, size_mm=(3e5, 3e5)),
        lambda: make_world_film(KNEE, None, RNG, spacing_mm=1e-9),
        lambda: draw_lateral_knee(RNG, 20_000),
        lambda: draw_hand(RNG, 1e-9),
        lambda: surround(KNEE.pixels, POINTS, 1.6, rng=RNG, size_mm=20_000.0),
        lambda: crop_roi(IMAGE, (4.0, 4.0), 5000.0, 0.3),
        lambda: crop_roi(IMAGE, (4.0, 4.0), 140.0, 1e-9),
        lambda: crop_roi(IMAGE, (4.0, 4.0), 140.0, 0.0),
        lambda: crop_roi(IMAGE, (4.0, 4.0), (140.0, float("nan")), 0.3),
        lambda: resample_to_spacing(IMAGE, (1e-9, 1e-9)),
    ],
)
def test_a_size_that_nobody_means_is_one_error(make: Callable[[], Any]) -> None:
    with pytest.raises(KneeBundleError) as caught:
        make()
    assert caught.value.field == "drawn_size"


def test_the_message_says_what_was_asked_for_and_what_there_is() -> None:
    with pytest.raises(
        KneeBundleError, match="the film of 1000 mm in pixels of 0.05 mm would have 20000 x 20000 pixels; "
    ):
        count_pixels((1000.0, 1000.0), (0.05, 0.05), "the film")


@pytest.mark.parametrize(
    ("size_mm", "spacing_mm", "pixels"),
    [((1250.0, 430.0), 0.14, (8929, 3071)), ((140.0, 140.0), 0.3, (467, 467)), ((430.0, 350.0), 0.1, (4300, 3500))],
)
def test_films_as_large_as_they_come_are_made(
    size_mm: tuple[float, float], spacing_mm: float, pixels: tuple[int, int]
) -> None:
    assert count_pixels(size_mm, (spacing_mm, spacing_mm), "the film") == pixels


def test_the_limits_themselves() -> None:
    assert count_pixels((10.0, 10.0), (1.0, 1.0), "it", most=100) == (10, 10)
    with pytest.raises(KneeBundleError, match="at most 9.9e-05 million are made"):
        count_pixels((10.0, 10.0), (1.0, 1.0), "it", most=99)
    assert count_pixels((0.6, 5.0), (1.0, 1.0), "it") == (1, 5)
    assert count_pixels((5.0, 0.6), (1.0, 1.0), "it") == (5, 1)
    for size in ((0.4, 5.0), (5.0, 0.4)):
        with pytest.raises(KneeBundleError, match="is smaller than one pixel of 1 mm"):
            count_pixels(size, (1.0, 1.0), "it")


@pytest.mark.parametrize(
    ("size", "spacing"), [((-140.0, -140.0), (0.5, 0.5)), ((140.0, 0.0), (0.5, 0.5)), ((140.0, 140.0), (0.5, -0.5))]
)
def test_nothing_and_less_is_no_size(size: tuple[float, float], spacing: tuple[float, float]) -> None:
    with pytest.raises(KneeBundleError, match="both must be positive numbers"):
        count_pixels(size, spacing, "it")


def test_the_message_gives_rows_and_columns_of_what_is_not_square() -> None:
    with pytest.raises(KneeBundleError, match=r"20 x 10 mm in pixels of 1e-05 x 2e-05 mm would have 2e\+06 x 500000 "):
        count_pixels((20.0, 10.0), (1e-5, 2e-5), "it")
