"""The one class for a radiograph: what it refuses, and how its pixels become mm."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from kneebundle.errors import KneeBundleError
from kneebundle.orientation import Orientation
from kneebundle.radiograph import UNCALIBRATED, Radiograph


@pytest.mark.parametrize("shape", [(4,), (1, 4, 4), (4, 4, 3)])
def test_an_image_that_is_not_grey_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(KneeBundleError, match="one grey image of rows x columns") as caught:
        Radiograph(np.zeros(shape), (0.2, 0.2), path="a.png")
    assert caught.value.path == "a.png"


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_one_pixel_that_is_no_number_is_refused(value: float) -> None:
    pixels = np.zeros((4, 5))
    pixels[2, 3] = value
    with pytest.raises(KneeBundleError, match="not finite"):
        Radiograph(pixels, (0.2, 0.2))


@pytest.mark.parametrize("spacing", [(0.2,), (0.2, 0.2, 0.2), (0.0, 0.2), (0.2, -0.2), (np.inf, 0.2), (0.2, np.nan)])
def test_a_spacing_is_two_positive_numbers(spacing: tuple[float, ...]) -> None:
    with pytest.raises(KneeBundleError, match="two positive numbers are needed") as caught:
        Radiograph(np.zeros((4, 5)), spacing)  # type: ignore[arg-type]
    assert caught.value.field == "spacing_mm"


def test_pixels_that_are_not_square_go_to_mm_and_back() -> None:
    radiograph = Radiograph(np.zeros((30, 20)), (0.5, 0.2))
    points = np.array([[10, 20], [3, 0]])
    np.testing.assert_allclose(radiograph.px_to_mm(points), [[2.0, 10.0], [0.6, 0.0]])
    np.testing.assert_allclose(radiograph.mm_to_px(np.array([[2.0, 10.0], [0.6, 0.0]])), points)


def test_the_tensor_has_the_pixels_and_knows_where_they_lie() -> None:
    pixels = np.arange(6.0).reshape(2, 3)
    radiograph = Radiograph(pixels, (0.5, 0.2))
    image = radiograph.to_metatensor()
    assert (radiograph.rows, radiograph.columns) == (2, 3)
    np.testing.assert_array_equal(image.numpy(), pixels[None])
    np.testing.assert_array_equal(np.asarray(image.affine), np.diag([0.5, 0.2, 1.0, 1.0]))
    image.as_tensor()[0, 0, 0] = 99.0
    assert radiograph.pixels[0, 0] == 0.0, "a transform must not change the radiograph"


def test_points_are_given_in_pixels_of_the_file() -> None:
    radiograph = Radiograph(np.zeros((30, 20)), (0.5, 0.2), orientation=Orientation(flip_rows=True, transpose=True))
    assert radiograph.to_stored_px(np.array([[3.0, 4.0]])).tolist() == [[25.0, 3.0]]


def test_without_a_spacing_a_radiograph_is_not_calibrated_and_it_cannot_be_changed() -> None:
    assert Radiograph(np.zeros((4, 4)), (0.2, 0.2)).is_calibrated
    uncalibrated = Radiograph(np.zeros((4, 4)), (1.0, 1.0), spacing_source=UNCALIBRATED)
    assert not uncalibrated.is_calibrated
    with pytest.raises(FrozenInstanceError):
        uncalibrated.spacing_source = "argument"  # type: ignore[misc]
