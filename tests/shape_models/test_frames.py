"""Regions seen in the frame of the mean shape."""

import numpy as np
import pytest

from kneebundle.shape_models import IDENTITY, Pose, even_contrast, make_frame


@pytest.mark.parametrize(
    "pose", [IDENTITY, Pose(1.1, 0.2, np.array([4.0, -3.0])), Pose(0.9, -0.1, np.array([-5.0, 6.0]))]
)
def test_a_bright_dot_is_where_the_frame_says(pose: Pose) -> None:
    region = np.zeros((200, 220))
    place = np.array([12.0, 7.5])  # mm from the middle
    column, row = place / 0.5 + (np.array([220, 200]) - 1) / 2
    y, x = np.mgrid[:200, :220]
    region += np.exp(-((x - column) ** 2 + (y - row) ** 2) / 20)
    frame = make_frame(region, 0.5, pose, 0.8, (90.0, 100.0))
    peak = np.unravel_index(frame.pixels.argmax(), frame.pixels.shape)
    np.testing.assert_allclose(frame.to_pixels(place), peak[::-1], atol=0.75)
    np.testing.assert_allclose(frame.to_region(frame.to_pixels(place)), place)


def test_brightness_and_contrast_of_a_region_do_not_matter() -> None:
    grey = np.random.default_rng(0).normal(size=(120, 120)).cumsum(0).cumsum(1)
    np.testing.assert_allclose(even_contrast(grey * 250 + 4000, 0.3), even_contrast(grey, 0.3), atol=1e-3)
    assert not even_contrast(np.full((50, 50), 7.0), 0.3).any()
