"""Augmentation: points and pixels move together, chance and range are as asked, same seed, same result."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from kneebundle.transforms.homography import RandHomographyd, apply_homography
from kneebundle.transforms.invert import RandInvertIntensityd
from kneebundle.transforms.jitter import RandPointJitterd
from kneebundle.transforms.salt_and_pepper import RandSaltAndPepperd

SIZE = 161


def dots(points: torch.Tensor, size: int = SIZE, sigma: float = 2.5) -> torch.Tensor:
    """A channel with a Gaussian for each point, (N, size, size)."""
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    pixels = points * size - 0.5
    return torch.stack([torch.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * sigma**2)) for px, py in pixels])


def centroids(image: torch.Tensor) -> torch.Tensor:
    size = image.shape[-1]
    ramp = (torch.arange(size) + 0.5) / size
    mass = image.sum((1, 2))
    return torch.stack([(image.sum(1) * ramp).sum(1) / mass, (image.sum(2) * ramp).sum(1) / mass], dim=1)


@pytest.mark.parametrize("seed", range(8))
def test_points_and_pixels_move_together(seed: int) -> None:
    points = torch.tensor([[0.5, 0.5], [0.35, 0.4], [0.6, 0.35], [0.45, 0.66]])
    step: Any = RandHomographyd(
        "image", "points", rotate_deg=20, perspective=0.1, padding_modes=("zeros",)
    ).set_random_state(seed)
    moved = step({"image": dots(points), "points": points})
    assert float((moved["points"] - points).abs().max()) > 0.01
    # a perspective moves the centre of mass of a dot a little off the dot: hence small dots
    difference = (centroids(moved["image"]) - moved["points"]).abs().max() * SIZE
    assert float(difference) < 0.1


def test_a_rotation_is_one_of_pixels_in_an_image_that_is_not_square() -> None:
    points = torch.tensor([[0.5, 0.5], [0.6, 0.5], [0.5, 0.6]])
    step: Any = RandHomographyd("image", "points", rotate_deg=30, scale=0, stretch=0, shear=0, perspective=0, shift=0)
    moved = step.set_random_state(0)({"image": torch.zeros(1, 300, 200), "points": points})["points"]
    in_pixels = (moved - moved[0]) * torch.tensor([200, 300])
    assert float(in_pixels[1].norm()) == pytest.approx(20, abs=1e-3)
    assert float(in_pixels[2].norm()) == pytest.approx(30, abs=1e-3)
    assert float(in_pixels[1] @ in_pixels[2]) == pytest.approx(0, abs=1e-2)
    assert abs(float(in_pixels[1, 1])) > 1


def test_the_identity_is_the_identity() -> None:
    image = torch.rand(1, 33, 33)
    torch.testing.assert_close(apply_homography(image, torch.eye(3)), image, atol=1e-4, rtol=0)


def test_homographies_are_not_only_affine() -> None:
    corners = torch.tensor([[0.25, 0.25], [0.75, 0.25], [0.75, 0.75], [0.25, 0.75]])
    step: Any = RandHomographyd("image", "points", perspective=0.1).set_random_state(1)
    moved = step({"image": torch.zeros(1, 32, 32), "points": corners})["points"]
    skew = (moved[0] - moved[1] + moved[2] - moved[3]).abs().max()
    assert float(skew) > 1e-3, "an affine map keeps parallelograms"


def test_only_the_shift_is_left_at_probability_zero() -> None:
    points = torch.tensor([[0.2, 0.3], [0.7, 0.6]])
    step: Any = RandHomographyd("image", "points", prob=0.0, shift=0.05).set_random_state(3)
    moved = step({"image": torch.zeros(1, 32, 32), "points": points})["points"] - points
    torch.testing.assert_close(moved[0], moved[1])
    assert 0 < float(moved.abs().max()) <= 0.05


ALWAYS: list[tuple[Callable[..., Any], dict[str, Any]]] = [
    (RandHomographyd, {"prob": 1.0, "points_key": None}),
    (RandInvertIntensityd, {"prob": 1.0}),
    (RandSaltAndPepperd, {"prob": 1.0, "amount": 0.1}),
]


@pytest.mark.parametrize(("transform", "kwargs"), ALWAYS)
def test_the_same_seed_gives_the_same_and_the_input_is_kept(
    transform: Callable[..., Any], kwargs: dict[str, Any]
) -> None:
    image = torch.rand(1, 24, 24) * 2 - 1
    kept = image.clone()
    first = transform("image", **kwargs).set_random_state(7)({"image": image})["image"]
    second = transform("image", **kwargs).set_random_state(7)({"image": image})["image"]
    torch.testing.assert_close(first, second)
    torch.testing.assert_close(image, kept)
    assert float((torch.as_tensor(first) - image).abs().max()) > 0.1
    assert first.shape == image.shape


@pytest.mark.parametrize("transform", [RandInvertIntensityd, RandSaltAndPepperd])
def test_probability_zero_changes_nothing(transform: Callable[..., Any]) -> None:
    image = torch.rand(1, 24, 24)
    torch.testing.assert_close(transform("image", prob=0.0)({"image": image})["image"], image)


def test_salt_and_pepper_hits_no_more_than_asked_and_both_ways() -> None:
    image = torch.zeros(1, 200, 200)
    for seed in range(5):
        step: Any = RandSaltAndPepperd("image", prob=1.0, amount=0.05).set_random_state(seed)
        noisy = step({"image": image})["image"]
        salt, pepper = float((noisy == 1).float().mean()), float((noisy == -1).float().mean())
        assert salt + pepper < 0.055
        assert salt == pytest.approx(pepper, abs=0.005)


def test_jitter_is_in_pixels_of_the_image() -> None:
    points = torch.full((500, 2), 0.5)
    step: Any = RandPointJitterd("points", pixels=1.0, prob=1.0).set_random_state(0)
    moved = step({"points": points, "image": torch.zeros(1, 50, 100)})["points"] - points
    in_pixels = moved.numpy() * np.array([100, 50])
    assert np.abs(in_pixels).max(0) == pytest.approx([1, 1], abs=0.02)
    assert in_pixels.std(0) == pytest.approx([0.577, 0.577], abs=0.05)
