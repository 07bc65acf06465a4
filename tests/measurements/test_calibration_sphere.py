"""The measuring sphere: found on drawn discs, not taken for a knee, and what follows for the size of a pixel."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from kneebundle.measurements.calibration_sphere import Sphere, calibrate, find_sphere

SHAPE = (300, 240)


def limb(seed: int, shape: tuple[int, int] = SHAPE) -> np.ndarray:
    """(H, W) attenuation of soft tissue with a femur: a shaft and two round condyles that do not quite overlap."""
    rng = np.random.default_rng(seed)
    clouds = ndimage.gaussian_filter(rng.standard_normal(shape), 20)
    y, x = np.indices(shape)
    shaft = np.where(y < 160, 18 - np.abs(x - 120), -99)
    condyles = [28 - np.hypot(x - cx, y - cy) for cx, cy in ((112, 160), (126, 157))]
    thickness = [np.clip(part / 6, 0, 1) for part in (shaft, *condyles)]
    return 1.2 + 0.2 * clouds / clouds.std() + 0.5 * np.sum(thickness, axis=0)


def film(
    seed: int, balls: list[tuple[float, float, float]], blur: float = 0.7, rows_per_column: float = 1.0
) -> np.ndarray:
    """A limb behind steel balls (x, y, radius in columns); light is blurred, and the film shows its logarithm."""
    fine = 4
    height, width = SHAPE
    y, x = (np.indices((height * fine, width * fine)) + 0.5) / fine - 0.5
    open_part = np.ones(SHAPE)
    for cx, cy, radius in balls:
        inside = (x - cx) ** 2 + ((y - cy) / rows_per_column) ** 2 < radius**2
        open_part -= inside.reshape(height, fine, width, fine).mean(axis=(1, 3))
    light = ndimage.gaussian_filter(open_part * np.exp(-limb(seed)), blur) + 0.004
    noise = 0.02 * np.random.default_rng(seed).standard_normal(SHAPE)
    return -np.log(light) + noise


@pytest.mark.parametrize(
    ("ball", "tolerance_px", "tolerance"),
    [
        ((60.0, 230.0, 21.0), 0.2, 0.02),
        ((185.5, 61.25, 18.3), 0.2, 0.025),
        ((6.0, 120.0, 20.0), 0.3, 0.02),  # cut by the border
        ((93.0, 60.0, 17.0), 0.3, 0.04),  # partly before the shaft
    ],
)
def test_the_sphere_is_found_to_a_part_of_a_pixel(
    ball: tuple[float, float, float], tolerance_px: float, tolerance: float
) -> None:
    found = find_sphere(film(1, [ball]))
    assert found is not None
    assert (found.x, found.y) == pytest.approx(ball[:2], abs=tolerance_px)
    assert found.radius_px == pytest.approx(ball[2], rel=tolerance)
    assert found.score > 0.7


@pytest.mark.parametrize("spacing_mm", [None, (0.75, 0.75)])
@pytest.mark.parametrize("seed", range(3))
def test_a_round_condyle_is_no_sphere(seed: int, spacing_mm: tuple[float, float] | None) -> None:
    assert find_sphere(film(seed, []), spacing_mm) is None


def test_a_ball_of_another_size_is_not_the_sphere() -> None:
    image = film(2, [(60.0, 230.0, 12.0)])
    assert find_sphere(image, (1.25, 1.25)) is not None  # 30 mm by the file
    assert find_sphere(image, (0.5, 0.5)) is None  # 12 mm


def test_pixels_that_are_not_square() -> None:
    image = film(3, [(60.0, 215.0, 20.0)], rows_per_column=1.5)
    found = find_sphere(image, (0.5, 0.75))
    assert found is not None
    assert (found.x, found.y) == pytest.approx((60.0, 215.0), abs=0.4)
    assert found.radius_px == pytest.approx(20.0, rel=0.02)


def test_an_empty_image_has_no_sphere() -> None:
    assert find_sphere(np.full((80, 80), 7.0)) is None


def sphere(radius_px: float) -> Sphere:
    return Sphere(50.0, 50.0, radius_px, 1.0)


def test_the_sphere_alone_gives_the_spacing() -> None:
    found = calibrate(sphere(60.0), None)
    assert found is not None
    assert (found.spacing_mm, found.source, found.disagreement) == ((0.25, 0.25), "sphere", None)


def test_the_sphere_goes_before_the_file_and_says_so() -> None:
    found = calibrate(sphere(60.0), (0.28, 0.28), "ImagerPixelSpacing")
    assert found is not None
    assert (found.spacing_mm, found.source) == (pytest.approx((0.25, 0.25)), "sphere")
    assert found.disagreement is not None
    assert "0.2500 mm a pixel, the file 0.2800 mm (ImagerPixelSpacing): the sphere is believed" in found.disagreement


def test_nothing_to_say_where_they_agree() -> None:
    found = calibrate(sphere(60.0), (0.252, 0.252), "PixelSpacing")
    assert found is not None
    assert found.source == "sphere" and found.disagreement is None


def test_a_sphere_that_cannot_be_is_not_believed() -> None:
    found = calibrate(sphere(60.0), (0.5, 0.5), "PixelSpacing")
    assert found is not None
    assert (found.spacing_mm, found.source) == ((0.5, 0.5), "PixelSpacing")
    assert "too far apart, so the file is believed" in str(found.disagreement)


def test_the_file_alone_and_nothing_at_all() -> None:
    found = calibrate(None, (0.2, 0.3), "PixelSpacing")
    assert found is not None
    assert (found.spacing_mm, found.source, found.disagreement) == ((0.2, 0.3), "PixelSpacing", None)
    assert calibrate(None, None) is None


def test_pixels_keep_their_shape() -> None:
    found = calibrate(sphere(50.0), (0.2, 0.32), "PixelSpacing")
    assert found is not None
    assert found.spacing_mm == pytest.approx((0.1875, 0.3))
