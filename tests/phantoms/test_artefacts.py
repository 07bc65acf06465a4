"""What is drawn beside the patient: places that are free, greys that are blended, text."""

from __future__ import annotations

import numpy as np
import pytest

from kneebundle.phantoms.artefacts import add_artefacts, add_markers, blend, collimate, draw_text, find_place


def test_a_place_is_free_and_lies_within_the_image() -> None:
    taken = np.zeros((30, 40), dtype=bool)
    taken[:, :25] = True
    for seed in range(20):
        window = find_place((5, 6), taken.shape, lambda part: not taken[part].any(), np.random.default_rng(seed), 100)
        assert window is not None
        assert taken[window].shape == (5, 6) and not taken[window].any()


@pytest.mark.parametrize("size", [(30, 6), (5, 41)])
def test_there_is_no_place_for_what_is_as_large_as_the_image(size: tuple[int, int]) -> None:
    assert find_place(size, (30, 40), lambda part: True, np.random.default_rng(0)) is None


def test_there_is_no_place_where_none_is_free() -> None:
    tried = []

    def refuse(window: tuple[slice, slice]) -> bool:
        tried.append(window)
        return False

    assert find_place((5, 5), (30, 40), refuse, np.random.default_rng(0), 7) is None
    assert len(tried) == 7


def test_a_mask_blends_as_far_as_it_says() -> None:
    image = np.full((3, 4), 10.0, dtype=np.float32)
    blend(image, np.s_[1:2, 1:4], np.array([[0.0, 0.5, 1.0]], dtype=np.float32), 20.0)
    assert image.tolist() == [[10] * 4, [10, 10, 15, 20], [10] * 4]


def test_text_is_as_high_as_asked_for_and_can_be_mirrored() -> None:
    plain, mirrored = draw_text("L", 40), draw_text("L", 40, mirrored=True)
    np.testing.assert_array_equal(mirrored, plain[:, ::-1])
    assert plain.max() == 1.0 and plain.min() == 0.0
    rows = np.flatnonzero(plain.any(axis=1))
    assert 20 <= rows[-1] - rows[0] <= 40, "a capital letter is a part of the font's height"


def test_artefacts_leave_the_frame_as_it_is() -> None:
    rng = np.random.default_rng(0)
    x_mm = y_mm = np.arange(-70, 70, 1.0, dtype=np.float32)
    changed = 0
    for _ in range(12):
        image = rng.random((140, 140), dtype=np.float32)
        out = add_artefacts(image, x_mm, y_mm, (-40, -30, 40, 30), medial=1, rng=rng)
        inside = np.s_[40:100, 30:110]
        np.testing.assert_array_equal(out[inside], image[inside])
        changed += not np.array_equal(out, image)
    assert changed >= 6


def test_letters_and_shutters_stay_off_the_knees() -> None:
    knees = [np.array([[60.0, 80.0], [90.0, 120.0]]), np.array([[210.0, 80.0], [240.0, 120.0]])]
    changed = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        film = np.random.default_rng(99).random((200, 300), dtype=np.float32)
        out = add_markers(film.copy(), 1.0, knees, rng)
        for low, high in knees:
            part = np.s_[int(low[1]) : int(high[1]) + 1, int(low[0]) : int(high[0]) + 1]
            np.testing.assert_array_equal(out[part], film[part])
        shut = collimate(film, 1.0, [np.array([75.0, 100.0]), np.array([225.0, 100.0])], rng)
        np.testing.assert_allclose(shut[98:103, 73:78], film[98:103, 73:78], atol=1e-3)
        changed += not np.array_equal(out, film)
    assert changed >= 6
