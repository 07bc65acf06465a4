"""Random training examples: points move with the pixels, the same seed gives the same example."""

import numpy as np
import torch

from kneebundle.training import region_sampling as module
from kneebundle.training.region_sampling import RegionSampling, sample_region


def _region() -> tuple[np.ndarray, np.ndarray]:
    """A radiograph of grey 100 with bright dots at the points, a frame outside."""
    region = np.full((467, 467), 100, dtype=np.uint8)
    region[:, :80] = 0
    points = np.array([[200.0, 200.0], [260.0, 240.0], [233.0, 300.0]])
    for x, y in points.astype(int):
        region[y - 1 : y + 2, x - 1 : x + 2] = 255
    return region, points


def _brightest(image: torch.Tensor, near: np.ndarray) -> np.ndarray:
    x, y = np.round(near).astype(int)
    part = image[0, y - 6 : y + 7, x - 6 : x + 7]
    rows, columns = torch.nonzero(part > part.max() - 0.3, as_tuple=True)
    return np.array([float(columns.float().mean()) + x - 6, float(rows.float().mean()) + y - 6])


def test_without_strength_it_is_the_cut_of_the_middle() -> None:
    region, points = _region()
    image, fractions = sample_region(
        region, points, np.random.RandomState(0), sampling=RegionSampling(strength=0.0, shift_px=0.0)
    )
    assert image.shape == (1, 384, 384)
    np.testing.assert_allclose(fractions.numpy() * 384 - 0.5, points - (467 - 384) / 2, atol=1e-4)
    assert (image[0, :, :38] == 0).all()  # outside the radiograph


def test_points_go_where_the_picture_goes() -> None:
    region, points = _region()
    sampling = RegionSampling(strength=1.0)
    for seed in range(6):
        rng = np.random.RandomState(seed)
        image, fractions = sample_region(region, points, rng, center=np.array([233.0, 240.0]), sampling=sampling)
        again, _ = sample_region(
            region, points, np.random.RandomState(seed), center=np.array([233.0, 240.0]), sampling=sampling
        )
        assert torch.equal(image, again)
        assert float(image.abs().max()) <= 1.0
        assert ((fractions > 0) & (fractions < 1)).all()


def test_geometry_alone_keeps_points_on_their_dots() -> None:
    region, points = _region()
    for seed in range(5):
        rng = np.random.RandomState(seed)
        matrix = module._draw_homography(rng, RegionSampling())
        center = np.array([231.5, 242.0])
        grey, _ = module._warp(region, matrix, center, 384)
        back = np.concatenate([points - center, np.ones((3, 1))], axis=1) @ np.linalg.inv(matrix).T
        for place in back[:, :2] / back[:, 2:] + 383 / 2:
            np.testing.assert_allclose(_brightest(grey[None], place), place, atol=0.8)


def test_landmarks_that_are_not_known_stay_so() -> None:
    region, points = _region()
    points[1] = np.nan
    _, fractions = sample_region(region, points, np.random.RandomState(1))
    assert torch.isnan(fractions[1]).all() and torch.isfinite(fractions[[0, 2]]).all()


def test_a_region_without_a_film_is_empty_whatever_is_done_to_it() -> None:
    _, points = _region()
    for seed in range(4):
        sampling = RegionSampling(strength=float(seed % 2))
        image, _ = sample_region(np.zeros((467, 467), np.uint8), points, np.random.RandomState(seed), sampling=sampling)
        assert image.shape == (1, 384, 384) and len(image.unique()) == 1


def test_balls_and_markers_cover_a_part_of_the_film() -> None:
    image = torch.full((200, 200), 0.5)
    drawn = [module._draw_objects(image, np.random.RandomState(seed)) for seed in range(12)]
    covered = [float((one != 0.5).float().mean()) for one in drawn]
    assert min(covered) > 0 and max(covered) < 0.5
