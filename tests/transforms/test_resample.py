"""Resampling: sub-pixel geometry, low-pass, affine."""

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from kneebundle.errors import KneeBundleError
from kneebundle.radiograph import Radiograph
from kneebundle.transforms.points import normalized_to_world, world_to_normalized
from kneebundle.transforms.resample import pixel_spacing, resample_to_spacing


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
