"""Windows of films: where points come to lie, what lies outside, and how greys are scaled."""

import numpy as np
import pytest
import torch

from kneebundle.training.film_windows import change_looks, cut_window, normalize_window, to_film, to_window

FILM = np.full((100, 80), 50, dtype=np.uint8)


def test_the_point_that_is_cut_around_lies_in_the_middle() -> None:
    center = np.array([30.25, 41.5])
    assert to_window(center[None], center, (64, 48), 12.0, 1.3)[0] == pytest.approx([23.5, 31.5])


def test_to_film_undoes_to_window() -> None:
    points = np.random.default_rng(0).uniform(0, 80, (7, 2))
    there = to_window(points, np.array([33.0, 50.0]), (64, 48), 25.0, 0.8)
    assert to_film(there, np.array([33.0, 50.0]), (64, 48), 25.0, 0.8) == pytest.approx(points)


def test_a_bright_dot_is_found_where_to_window_says() -> None:
    film = FILM.copy()
    film[58:61, 38:41] = 250
    center, size = np.array([35.0, 52.0]), (64, 64)
    window = cut_window(film, center, size, 30.0, 1.5)
    x, y = to_window(np.array([[39.0, 59.0]]), center, size, 30.0, 1.5)[0]
    row, column = np.unravel_index(int(torch.nan_to_num(window, nan=0.0).argmax()), size)
    assert np.hypot(column - x, row - y) < 2.5


def test_beyond_the_film_and_beyond_the_columns_there_is_nothing() -> None:
    window = cut_window(FILM, np.array([0.0, 50.0]), (20, 20), columns=(0, 5))
    assert torch.isnan(window[:, :9]).all() and torch.isnan(window[:, 16:]).all()
    assert window[10, 12] == pytest.approx(50 / 255)


def test_greys_go_from_minus_one_to_one_and_outside_is_zero() -> None:
    window = torch.linspace(0, 1, 1000).reshape(25, 40).clone()
    window[0, 0] = torch.nan
    scaled = normalize_window(window)
    assert scaled[0, 0] == 0 and scaled[0, 1] == -1 and scaled[-1, -1] == 1
    assert scaled[12, 20] == pytest.approx(0.0, abs=0.02)


def test_an_even_window_is_zero() -> None:
    assert not normalize_window(torch.full((8, 8), 0.4)).any()


def test_other_looks_leave_the_outside_alone() -> None:
    window = torch.linspace(-1, 1, 400).reshape(20, 20).clone()
    window[:, :5] = 0.0
    for seed in range(20):
        assert not change_looks(window, np.random.default_rng(seed))[:, :5].any()


def test_a_window_beside_the_film_has_nothing_in_it() -> None:
    window = cut_window(FILM, np.array([-500.0, 50.0]), (20, 20))
    assert torch.isnan(window).all()
    assert not normalize_window(window).any()
