"""Resampling: sub-pixel geometry, low-pass, affine."""

import math

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from kneebundle.errors import KneeBundleError
from kneebundle.radiograph import Radiograph
from kneebundle.transforms.points import normalized_to_world, world_to_normalized
from kneebundle.transforms.resample import pixel_spacing, resample_grid, resample_to_spacing


def blobs(
    points_mm: np.ndarray, shape: tuple[int, int], spacing: tuple[float, float], sigma_mm: float = 2.0
) -> MetaTensor:
    """An image with a Gaussian at each point (x, y) in mm."""
    y, x = np.meshgrid(np.arange(shape[0]) * spacing[0], np.arange(shape[1]) * spacing[1], indexing="ij")
    image = sum(np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * sigma_mm**2)) for px, py in points_mm)
    return Radiograph(np.asarray(image), spacing).to_metatensor()


def centroid_mm(image: MetaTensor, around_mm: np.ndarray, reach_mm: float = 7.0) -> np.ndarray:
    """Centre of mass in mm, by the image's affine, of what lies around a point."""
    rows, columns = image.shape[1:]
    grid = torch.stack(
        torch.meshgrid((torch.arange(columns) + 0.5) / columns, (torch.arange(rows) + 0.5) / rows, indexing="xy"), -1
    )
    places = normalized_to_world(grid.reshape(-1, 2), image).numpy()
    weights = np.nan_to_num(image.numpy()[0].ravel()) * (np.linalg.norm(places - around_mm, axis=1) < reach_mm)
    return (places * weights[:, None]).sum(0) / weights.sum()


POINTS = np.array([[20.3, 15.8], [41.05, 33.61], [12.77, 40.2]])


@pytest.mark.parametrize("old", [(0.5, 0.5), (0.14, 0.14), (0.4, 0.25)])
@pytest.mark.parametrize("new", [(0.3, 0.3), (1.0, 1.0)])
def test_points_stay_where_they_are_in_mm(old: tuple[float, float], new: tuple[float, float]) -> None:
    image = blobs(POINTS, (round(55 / old[0]), round(60 / old[1])), old)
    resampled = resample_to_spacing(image, new)
    assert pixel_spacing(resampled) == pytest.approx(new)
    for point in POINTS:
        assert centroid_mm(resampled, point) == pytest.approx(point, abs=0.02)


def test_the_field_is_the_same_from_border_to_border() -> None:
    image = blobs(POINTS, (100, 120), (0.5, 0.5))
    resampled = resample_to_spacing(image, (1.0, 1.0))
    assert tuple(resampled.shape) == (1, 50, 60)
    np.testing.assert_allclose(np.asarray(resampled.affine)[:2, 3], [0.25, 0.25])
    oblong = resample_to_spacing(blobs(POINTS, (100, 120), (0.5, 0.25)), (1.0, 0.75))
    assert tuple(oblong.shape) == (1, 50, 40)
    np.testing.assert_allclose(np.asarray(oblong.affine)[:2, 3], [0.25, 0.25])


def test_a_pattern_too_fine_for_the_new_grid_becomes_grey_and_not_a_moire() -> None:
    stripes = np.tile([0.0, 1.0], (200, 100)).astype(np.float32)
    image = Radiograph(stripes, (0.1, 0.1)).to_metatensor()
    resampled = resample_to_spacing(image, (0.37, 0.37)).numpy()[0, 5:-5, 5:-5]
    assert resampled.mean() == pytest.approx(0.5, abs=0.01)
    assert resampled.std() < 0.02


def test_up_sampling_does_not_blur() -> None:
    ramp = np.tile(np.arange(40, dtype=np.float32), (40, 1))
    image = Radiograph(ramp, (1.0, 1.0)).to_metatensor()
    fine = resample_to_spacing(image, (0.5, 0.5)).numpy()[0, 20]
    np.testing.assert_allclose(fine[2:-2], (np.arange(80) * 0.5 - 0.25)[2:-2], atol=1e-4)


def test_the_affine_leads_back() -> None:
    image = resample_to_spacing(blobs(POINTS, (100, 120), (0.5, 0.5)), (0.7, 0.7))
    np.testing.assert_allclose(normalized_to_world(world_to_normalized(POINTS, image), image), POINTS, atol=1e-4)


def test_an_image_that_would_vanish_raises_an_error() -> None:
    with pytest.raises(KneeBundleError, match="smaller than one pixel"):
        resample_to_spacing(blobs(POINTS, (10, 10), (0.1, 0.1)), (5.0, 5.0))


def resample_with_itk(
    pixels: np.ndarray, start: tuple[float, float], step: tuple[float, float], size: tuple[int, int]
) -> np.ndarray:
    """What ITK's own filters give: a discrete Gaussian along the axes that get coarser, then linear interpolation."""
    import itk

    image = itk.image_from_array(pixels)
    variance = [max(0.25 * (s**2 - 1), 0.0) for s in step[::-1]]
    if max(variance) > 0:
        image = itk.discrete_gaussian_image_filter(
            image, variance=variance, maximum_kernel_width=65, use_image_spacing=False
        )
    return itk.array_from_image(
        itk.resample_image_filter(
            image,
            interpolator=itk.LinearInterpolateImageFunction.New(image),
            size=list(size[::-1]),
            output_spacing=list(step[::-1]),
            output_origin=list(start[::-1]),
            default_pixel_value=float("nan"),
        )
    )


@pytest.mark.parametrize(
    ("start", "step", "size"),
    [
        ((5.3, 7.7), (5.0, 5.0), (12, 9)),
        ((-20.2, -0.5), (2.0, 1.3), (80, 90)),
        ((30.25, 40.0), (0.4, 0.7), (60, 50)),
        ((-3.0, 10.0), (7.1, 0.9), (25, 40)),
        ((59.0, 44.4), (1.0, 1.0), (30, 60)),
        ((-0.3, -0.4), (2.0, 3.0), (5, 5)),  # between the border and the first pixel's centre
        ((64.3, 76.2), (2.0, 2.0), (4, 4)),  # between the last pixel's centre and the border
    ],
)
def test_it_is_what_the_filters_of_itk_give(
    start: tuple[float, float], step: tuple[float, float], size: tuple[int, int]
) -> None:
    pixels = np.random.default_rng(0).normal(100.0, 30.0, (71, 83)).astype(np.float32)
    image = MetaTensor(torch.from_numpy(pixels)[None])
    found = resample_grid(image, start, step, size).numpy()[0]
    expected = resample_with_itk(pixels, start, step, size)
    assert np.isfinite(expected).any()
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_an_image_ends_at_the_border_of_its_first_and_last_pixel() -> None:
    image = MetaTensor(torch.ones(1, 20, 30))
    found = resample_grid(image, (-1.2, 29.0), (0.4, 0.4), (4, 3)).isnan()[0]  # rows from -1.2 to 0, columns to 29.8
    assert found.numpy().tolist() == [[True] * 3, [True] * 3, [False, False, True], [False, False, True]]


def test_a_grid_beside_the_image_is_nowhere() -> None:
    image = MetaTensor(torch.ones(1, 20, 20))
    for start in ((50.0, 0.0), (0.0, 50.0), (-50.0, 0.0), (0.0, -50.0)):
        assert bool(resample_grid(image, start, (2.0, 2.0), (5, 5)).isnan().all())


@pytest.mark.parametrize(
    ("start", "step", "size"),
    [
        ((10.0, 12.0), (30.0, 25.0), (2, 3)),
        ((10.0, 12.0), (45.0, 50.0), (2, 2)),  # the low-pass is cut at its widest
        ((0.5, -0.5), (1.0, 1.0), (72, 84)),
    ],
)
def test_very_coarse_grids_and_the_border_itself_are_what_itk_gives(
    start: tuple[float, float], step: tuple[float, float], size: tuple[int, int]
) -> None:
    test_it_is_what_the_filters_of_itk_give(start, step, size)


def test_where_the_low_pass_of_itk_overflows_there_is_one_still() -> None:
    """From a step of 54 on: a standard deviation of 30 pixels here, cut at 65 of them to either side."""
    ramp = torch.arange(600.0).expand(1, 10, 600)
    found = resample_grid(MetaTensor(ramp), (4.0, 300.0), (1.0, 60.0), (1, 2))
    np.testing.assert_allclose(found.as_tensor()[0], [[300.0, 360.0]], rtol=1e-5)
    line = torch.zeros(1, 10, 600)
    line[..., 300] = 1.0
    inside = math.erf(65.5 / 30 / math.sqrt(2))
    expected = [math.exp(-0.5 * (away / 30) ** 2) / (30 * math.sqrt(2 * math.pi) * inside) for away in (0, 60)]
    found = resample_grid(MetaTensor(line), (4.0, 300.0), (1.0, math.sqrt(4 * 900 + 1)), (1, 2))
    np.testing.assert_allclose(found.as_tensor()[0, 0], expected, rtol=0.01)
    assert resample_grid(MetaTensor(line), (4.0, 234.0), (1.0, 60.0), (1, 1)).item() == 0.0


def test_the_affine_of_an_image_that_was_turned_leads_on() -> None:
    affine = torch.eye(4, dtype=torch.float64)
    affine[:2, :2] = torch.tensor([[0.0, -0.4], [0.25, 0.0]], dtype=torch.float64)
    affine[:2, 3] = torch.tensor([3.0, 7.0], dtype=torch.float64)
    image = MetaTensor(torch.ones(1, 20, 30), affine=affine)
    assert pixel_spacing(image) == pytest.approx((0.25, 0.4))
    found = resample_grid(image, (2.0, 5.0), (0.5, 0.4), (4, 6))
    np.testing.assert_allclose(found.affine[:2, 3], [3.0 - 0.4 * 5, 7.0 + 0.25 * 2])
    np.testing.assert_allclose(found.affine[:2, :2], [[0.0, -0.4], [0.5, 0.0]])
