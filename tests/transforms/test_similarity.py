"""Squares, warps and perturbations whose affine keeps count."""

from typing import Any

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from kneebundle.networks.similarity import similarity_matrix
from kneebundle.transforms.points import world_to_normalized
from kneebundle.transforms.similarity import FitToSquared, PerturbSimilarityd, fit_to_square, warp_image

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


def test_a_square_has_224_pixels_unless_asked_otherwise() -> None:
    image = spot(rows=40, columns=50)
    assert fit_to_square(image).shape == FitToSquared("image")({"image": image})["image"].shape == (1, 224, 224)
    assert FitToSquared("image", 30)({"image": image})["image"].shape == (1, 30, 30)
    high = MetaTensor(torch.ones(1, 40, 60), affine=torch.diag(torch.tensor([1.0, 0.5, 1.0, 1.0])))
    finite = torch.isfinite(fit_to_square(high, 80).as_tensor()[0])  # 40 mm high, 30 mm wide
    assert finite[:, 40].all() and finite[40].sum() == 60


def test_beyond_the_border_of_a_warp_its_pixels_go_on() -> None:
    image = MetaTensor(torch.arange(16.0).reshape(1, 4, 4))
    warped = warp_image(image, torch.tensor([[1.0, 0, 1.0], [0, 1.0, 0]]))  # by half the image to the right
    assert warped.as_tensor()[0, 0].tolist() == [2.0, 3.0, 3.0, 3.0]
    np.testing.assert_allclose(warped.affine[:2, 3], [0.0, 2.0])


def thetas(count: int, **settings: object) -> np.ndarray:
    """(count, 4): scale, shifts as fractions of the edge, and rotation, of perturbations drawn with many seeds."""
    drawn = []
    for seed in range(count):
        image = MetaTensor(torch.zeros(1, 8, 8))
        affine = PerturbSimilarityd("image", seed=seed, **settings)({"image": image})["image"].affine  # type: ignore[arg-type]
        middle = affine @ torch.tensor([3.5, 3.5, 0, 1], dtype=affine.dtype)
        rotation = torch.atan2(affine[0, 1], affine[0, 0])
        drawn.append([torch.hypot(affine[0, 0], affine[1, 0]), *((middle[:2] - 3.5) / 8), rotation])
    return np.array(drawn, dtype=float)


@pytest.mark.parametrize(
    ("settings", "least", "most"),
    [
        ({}, [0.85, -0.15, -0.15, -0.1], [1.2, 0.15, 0.15, 0.1]),
        (
            {"scale": (0.5, 0.6), "shift": 0.3, "rotation": 0.4},
            [0.5, -0.3, -0.3, -0.4],
            [0.6, 0.3, 0.3, 0.4],
        ),
    ],
)
def test_perturbations_fill_their_bounds(settings: dict[str, object], least: list[float], most: list[float]) -> None:
    drawn = thetas(150, **settings)
    width = np.array(most) - least
    assert (drawn >= np.array(least) - 1e-6).all() and (drawn <= np.array(most) + 1e-6).all()
    assert (drawn.min(axis=0) < least + 0.06 * width).all() and (drawn.max(axis=0) > most - 0.06 * width).all()


def test_the_seed_is_0_and_only_the_file_name_counts() -> None:
    def patch(path: str, **settings: int) -> torch.Tensor:
        return PerturbSimilarityd("image", **settings)({"image": spot(), "path": path})["image"].affine  # type: ignore[arg-type]

    torch.testing.assert_close(patch("k.png"), patch("C:\\films\\k.png", seed=0))
    assert not torch.allclose(patch("k.png"), patch("l.png"))
    assert not torch.allclose(patch("a/k.png"), patch("a/l.png"))
    without = PerturbSimilarityd("image")({"image": spot()})["image"].affine
    torch.testing.assert_close(without, patch(""))


def test_all_images_of_an_item_get_the_same_patch_and_a_missing_one_is_an_error_or_not() -> None:
    item: dict[str, Any] = {"image": spot(), "mask": spot(), "path": "k.png"}
    for step in (PerturbSimilarityd(["image", "mask"]), FitToSquared(["image", "mask"], 20)):
        done = step(item)
        torch.testing.assert_close(done["image"].affine, done["mask"].affine)
        assert not torch.equal(done["image"].affine, item["image"].affine)
    for kind in (PerturbSimilarityd, FitToSquared):
        kind(["image", "other"], allow_missing_keys=True)(item)
        with pytest.raises(KeyError):
            kind(["image", "other"])(item)
