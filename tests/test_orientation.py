"""Orientation: points go where the pixels came from."""

import itertools

import numpy as np
import pytest

from kneebundle.orientation import Orientation


@pytest.mark.parametrize("flags", list(itertools.product([False, True], repeat=3)))
def test_points_lead_back_to_the_stored_pixel(flags: tuple[bool, bool, bool]) -> None:
    stored = np.arange(35.0).reshape(5, 7)
    turn = Orientation(*flags)
    displayed = turn.apply(stored)
    for y, x in np.ndindex(displayed.shape):
        column, row = turn.points_to_stored(np.array([[x, y]]), *displayed.shape)[0].astype(int)
        assert stored[row, column] == displayed[y, x]
    assert turn.pair(stored.shape) == displayed.shape


@pytest.mark.parametrize("transpose", [False, True])
@pytest.mark.parametrize("flips", [(False, False), (True, False), (False, True), (True, True)])
def test_undo_takes_the_displayed_image_back(transpose: bool, flips: tuple[bool, bool]) -> None:
    stored = np.arange(12).reshape(3, 4)
    turn = Orientation(transpose, *flips)
    np.testing.assert_array_equal(turn.undo(turn.apply(stored)), stored)


@pytest.mark.parametrize("flags", list(itertools.product([False, True], repeat=3)))
def test_points_of_the_stored_image_are_found_on_the_displayed_one(flags: tuple[bool, bool, bool]) -> None:
    stored = np.arange(35.0).reshape(5, 7)
    turn = Orientation(*flags)
    displayed = turn.apply(stored)
    places = np.array([[x, y] for y in range(5) for x in range(7)])
    found = turn.points_to_displayed(places, *displayed.shape)
    np.testing.assert_array_equal(displayed[tuple(found[:, ::-1].T.astype(int))], stored.ravel())
    np.testing.assert_array_equal(turn.points_to_stored(found, *displayed.shape), places)


def test_what_is_not_asked_for_is_not_turned() -> None:
    assert Orientation() == Orientation(transpose=False, flip_rows=False, flip_columns=False, notes=())
    assert len({Orientation(), Orientation(flip_rows=True), Orientation()}) == 2
