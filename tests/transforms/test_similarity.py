"""Squares, warps and perturbations whose affine keeps count."""

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from kneebundle.networks.similarity import similarity_matrix
from kneebundle.transforms.points import world_to_normalized
from kneebundle.transforms.similarity import PerturbSimilarityd, fit_to_square, warp_image

POINT_MM = np.array([[14.0, 9.0]])


def spot(rows: int = 40, columns: int = 40, spacing: float = 0.5) -> MetaTensor:
    """A smooth bright spot at POINT_MM."""
    y, x = np.mgrid[:rows, :columns] * spacing
    pixels = np.exp(-((x - POINT_MM[0, 0]) ** 2 + (y - POINT_MM[0, 1]) ** 2) / (2 * 1.5**2))
    affine = torch.diag(torch.tensor([spacing, spacing, 1, 1], dtype=torch.float64))
    return MetaTensor(torch.from_numpy(pixels.astype(np.float32))[None], affine=affine)


def brightest(image: torch.Tensor) -> np.ndarray:
    """Centre of the spot as a fraction of width and height."""
    weights = torch.nan_to_num(image.as_subclass(torch.Tensor)[0]).double().clamp_min(0.05) - 0.05
    rows, columns = (torch.arange(n).double() for n in weights.shape)
    y = (weights.sum(1) * rows).sum() / weights.sum()
    x = (weights.sum(0) * columns).sum() / weights.sum()
    return np.array([(float(x) + 0.5) / len(columns), (float(y) + 0.5) / len(rows)])


@pytest.mark.parametrize("theta", [[1.0, 0, 0, 0], [0.8, 0.2, 0.0, 0.0], [0.9, 0.1, -0.1, 0.4]])
@pytest.mark.parametrize("pixels", [None, 60])
def test_a_warp_moves_image_and_affine_alike(theta: list[float], pixels: int | None) -> None:
    warped = warp_image(spot(), similarity_matrix(torch.tensor(theta)), pixels)
    assert warped.shape == (1, pixels or 40, pixels or 40)
    np.testing.assert_allclose(brightest(warped), world_to_normalized(POINT_MM, warped)[0].numpy(), atol=0.004)


def test_the_identity_changes_nothing() -> None:
    image = spot()
    same = warp_image(image, similarity_matrix(torch.tensor([1.0, 0, 0, 0])))
    torch.testing.assert_close(same.as_tensor(), image.as_tensor(), atol=1e-5, rtol=0)
    torch.testing.assert_close(same.affine, image.affine)


def test_a_square_shows_the_whole_image_in_its_middle() -> None:
    square = fit_to_square(spot(rows=40, columns=50), 100)
    assert square.shape == (1, 100, 100)
    finite = torch.isfinite(square.as_tensor()[0])
    assert bool(finite.all(1)[12:88].all()) and not bool(finite[[0, -1]].any())
    np.testing.assert_allclose(brightest(square), world_to_normalized(POINT_MM, square)[0].numpy(), atol=0.004)


def test_perturbations_depend_on_path_and_seed_and_stay_in_their_bounds() -> None:
    def drawn(path: str, seed: int) -> torch.Tensor:
        patch = PerturbSimilarityd("image", seed=seed)({"image": spot(), "path": path})["image"]
        return patch.affine[:2, :2] / 0.5

    torch.testing.assert_close(drawn("a/k.png", 0), drawn("b/k.png", 0))
    scales = []
    for seed in range(20):
        matrix = drawn("k.png", seed)
        scales.append(float(torch.hypot(matrix[0, 0], matrix[1, 0])))
        assert abs(float(torch.atan2(matrix[0, 1], matrix[0, 0]))) <= 0.1
    assert 0.85 <= min(scales) < 0.95 and 1.1 < max(scales) <= 1.2


def test_only_squares_can_be_perturbed() -> None:
    with pytest.raises(ValueError, match="square"):
        PerturbSimilarityd("image")({"image": spot(rows=30), "path": ""})
