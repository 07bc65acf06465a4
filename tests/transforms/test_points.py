"""Points between mm of the radiograph and fractions of an image, through any affine."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from kneebundle.transforms.points import (
    NormalizedToWorldd,
    PixelsToWorldd,
    WorldToNormalizedd,
    normalized_to_world,
    world_to_normalized,
)


def image(turn: bool = False) -> MetaTensor:
    """40 rows of 0.5 mm and 100 columns of 0.2 mm, from (y, x) = (10, 20) mm on; or on its side and mirrored."""
    affine = torch.diag(torch.tensor([0.5, 0.2, 1.0, 1.0], dtype=torch.float64))
    if turn:
        affine = torch.eye(4, dtype=torch.float64)
        affine[:2, :2] = torch.tensor([[0.0, -0.2], [0.5, 0.0]], dtype=torch.float64)
    affine[:2, 3] = torch.tensor([10.0, 20.0], dtype=torch.float64)
    return MetaTensor(torch.zeros(1, 40, 100), affine=affine)


def test_a_corner_of_the_image_is_the_corner_of_its_first_pixel() -> None:
    """The first pixel's centre is at x = 20, y = 10 mm, its corner half a pixel before."""
    corners = np.array([[20.0 - 0.1, 10.0 - 0.25], [40.0 - 0.1, 30.0 - 0.25], [20.0, 10.0]])
    expected = [[0.0, 0.0], [1.0, 1.0], [0.005, 0.0125]]
    found = world_to_normalized(corners, image())
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_allclose(normalized_to_world(expected, image()), corners, atol=1e-9)


def test_on_an_image_that_was_turned_columns_run_upwards() -> None:
    """Row i, column j lie at x = 20 + 0.5 i, y = 10 - 0.2 j."""
    found = normalized_to_world([[30.5 / 100, 7.5 / 40]], image(turn=True))
    np.testing.assert_allclose(found, [[20 + 0.5 * 7, 10 - 0.2 * 30]])
    np.testing.assert_allclose(world_to_normalized(found, image(turn=True)), [[0.305, 0.1875]], rtol=1e-6)


def test_in_a_dictionary_points_go_there_and_back_with_what_stands_beside_them() -> None:
    data: dict[str, Any] = {"image": image(), "other": image(turn=True), "points": np.array([[25.0, 12.5]])}
    inside = WorldToNormalizedd("points")(data)
    np.testing.assert_allclose(inside["points"], world_to_normalized(data["points"], data["image"]))
    assert data["points"].tolist() == [[25.0, 12.5]], "the caller's data stays as it was"
    scored = {**inside, "points": torch.cat([inside["points"], torch.tensor([[0.7, 0.1]])], dim=1).requires_grad_()}
    back = NormalizedToWorldd("points")(scored)["points"]
    assert back.dtype == torch.float64 and not back.requires_grad
    np.testing.assert_allclose(back, [[25.0, 12.5, 0.7, 0.1]], atol=1e-5)


@pytest.mark.parametrize("transform", [WorldToNormalizedd, NormalizedToWorldd, PixelsToWorldd])
def test_the_image_that_is_named_counts_and_a_missing_key_is_an_error_or_not(
    transform: type[WorldToNormalizedd | NormalizedToWorldd | PixelsToWorldd],
) -> None:
    data = {"image": image(), "other": image(turn=True), "points": torch.tensor([[0.5, 0.25]])}
    by_image, by_other = (transform("points", key)(data)["points"] for key in ("image", "other"))
    assert not torch.allclose(by_image.double(), by_other.double())
    del data["points"]
    assert set(transform("points", allow_missing_keys=True)(data)) == {"image", "other"}
    with pytest.raises(KeyError):
        transform("points")(data)


def test_pixels_become_mm_through_the_affine() -> None:
    found = PixelsToWorldd("points")({"image": image(), "points": [[10, 4], [0, 0]]})["points"]
    assert found.dtype == torch.float64
    np.testing.assert_allclose(found, [[22.0, 12.0], [20.0, 10.0]])
