"""Outlines of bones: the largest part alone, to a part of a pixel, open where the image cuts it."""

import numpy as np

from kneebundle.measurements.outlines import keep_largest_part, sample_image, trace_outline


def test_the_outline_is_that_of_the_largest_part_and_open_at_the_border() -> None:
    probability = np.zeros((40, 40))
    probability[0:20, 10:20] = 1.0
    probability[30:34, 30:34] = 1.0
    outline = trace_outline(probability)
    assert outline[:, 1].max() == 19.5 and outline[:, 0].max() == 19.5
    assert not (outline[(outline[:, 0] > 9.5) & (outline[:, 0] < 19.5), 1] < 19).any()
    assert len(trace_outline(np.zeros((5, 5)))) == 0


def test_parts_that_touch_at_a_corner_are_two() -> None:
    mask = np.array([[1, 0, 0], [0, 1, 1], [0, 1, 1]])
    assert keep_largest_part(mask).tolist() == [[False, False, False], [False, True, True], [False, True, True]]
    assert not keep_largest_part(np.zeros((3, 3))).any()


def test_the_outline_lies_where_the_probability_passes_the_level() -> None:
    ramp = np.tile(np.linspace(1.0, 0.0, 11), (6, 1))
    outline = trace_outline(ramp, level=0.33)
    np.testing.assert_allclose(outline[:, 0], 6.7)
    assert sorted(outline[:, 1]) == list(range(6))


def test_what_just_reaches_the_level_belongs_to_the_part() -> None:
    assert keep_largest_part(np.array([[0.5, 0.49, 0.5, 0.5]])).tolist() == [[False, False, True, True]]
    assert keep_largest_part(np.array([[0.5, 0.7]]), level=0.6).tolist() == [[False, True]]


def test_samples_lie_between_pixels_and_are_0_beyond_the_border() -> None:
    image = np.array([[1, 2, 4], [10, 20, 40]], dtype=np.uint8)
    points = np.array([[0.0, 0.0], [1.5, 0.0], [2.0, 1.0], [0.0, 0.25], [-2.0, 0.0], [0.0, 3.0]])
    assert sample_image(image, points).tolist() == [1.0, 3.0, 40.0, 3.25, 0.0, 0.0]
