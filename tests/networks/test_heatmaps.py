"""Decoding of heatmaps: sub-pixel truth, what no heatmap should look like, confidence."""

import pytest
import torch

from kneebundle.losses.heatmap import gaussian_heatmaps
from kneebundle.networks.heatmaps import (
    decode_heatmaps,
    heatmap_confidence,
    peak_spread,
    peak_values,
)

SIZES = {2: (48, 64), 3: (40, 36, 44)}


def gaussians(points: torch.Tensor, size: tuple[int, ...], sigma: float, height: float = 1.0) -> torch.Tensor:
    """(B, N, *size) of normalised points (B, N, d)."""
    count = points.shape[1]
    return gaussian_heatmaps(points, size, torch.full((count,), sigma), torch.full((count,), height))


def pixels(points: list[list[float]], size: tuple[int, ...]) -> torch.Tensor:
    """(1, N, d) normalised, of x, y(, z) in pixels."""
    return ((torch.tensor(points) + 0.5) / torch.tensor(size[::-1])).unsqueeze(0)


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("method", ["centroid", "quadratic"])
@pytest.mark.parametrize("sigma", [1.0, 2.0, 3.5, 5.0])
def test_sub_pixel_methods_find_gaussians_to_a_fiftieth_of_a_pixel(dims: int, method: str, sigma: float) -> None:
    torch.manual_seed(0)
    points = 0.35 + 0.3 * torch.rand(6, 3, dims)
    decoded, _ = decode_heatmaps(gaussians(points, SIZES[dims], sigma, 0.3), method)
    error = (decoded - points) * torch.tensor(SIZES[dims][::-1])
    assert float(error.abs().max()) < 0.02


@pytest.mark.parametrize("dims", [2, 3])
def test_argmax_is_the_centre_of_the_highest_pixel(dims: int) -> None:
    size = SIZES[dims]
    points = pixels([[10.0, 20.0, 30.0][:dims], [33.0, 5.0, 7.0][:dims]], size)
    decoded, _ = decode_heatmaps(gaussians(points, size, 2.0), "argmax")
    torch.testing.assert_close(decoded, points)
    moved, _ = decode_heatmaps(gaussians(points + 0.4 / torch.tensor(size[::-1]), size, 2.0), "argmax")
    torch.testing.assert_close(moved, points)


@pytest.mark.parametrize("method", ["argmax", "centroid", "quadratic"])
def test_peaks_on_the_border_are_found_there(method: str) -> None:
    size = (20, 24)
    points = pixels([[0.0, 0.0], [23.0, 19.0], [0.0, 10.0], [12.0, 19.0]], size)
    decoded, _ = decode_heatmaps(gaussians(points, size, 2.0), method)
    torch.testing.assert_close(decoded, points)
    beyond, _ = decode_heatmaps(gaussians(pixels([[-3.0, 30.0]], size), size, 2.0), method)
    assert bool(((beyond >= 0) & (beyond < 1)).all())


@pytest.mark.parametrize("method", ["argmax", "centroid", "quadratic"])
@pytest.mark.parametrize("value", [0.0, -3.0, 5.0, float("nan")])
def test_a_flat_map_gives_the_middle_and_hardly_any_confidence(method: str, value: float) -> None:
    points, confidence = decode_heatmaps(torch.full((1, 2, 8, 12), value), method)
    torch.testing.assert_close(points, torch.full((1, 2, 2), 0.5))
    assert bool((confidence > 0).all()) and bool((confidence < 0.05).all())


@pytest.mark.parametrize("method", ["argmax", "centroid", "quadratic"])
def test_negative_maps_and_nans_leave_the_highest_place_where_it_is(method: str) -> None:
    size = (20, 24)
    point = pixels([[14.0, 8.0]], size)
    heatmap = gaussians(point, size, 2.0)
    below, confidence = decode_heatmaps(heatmap - 5.0, method)
    torch.testing.assert_close(below, point)
    assert float(confidence) < 1e-5

    heatmap[..., :6, :] = torch.nan
    heatmap[..., 0, 0] = torch.inf
    holed, confidence = decode_heatmaps(heatmap, method)
    torch.testing.assert_close(holed, point, atol=2e-3, rtol=0)
    assert float(confidence) > 0.05


def test_confidence_falls_with_height_and_spread_and_stays_within_zero_and_one() -> None:
    size = (64, 64)
    point = pixels([[30.0, 30.0]], size)
    sharp, wide = (float(heatmap_confidence(gaussians(point, size, sigma))) for sigma in (1.0, 4.0))
    low = float(heatmap_confidence(gaussians(point, size, 1.0, 0.25)))
    two = gaussians(pixels([[15.0, 30.0], [45.0, 30.0]], size), size, 1.0).sum(1, keepdim=True)
    assert 1 >= sharp > 1.5 * wide > 0
    assert low == pytest.approx(0.25 * sharp, rel=1e-4)
    assert float(heatmap_confidence(gaussians(point, size, 1.0, 7.0))) == pytest.approx(sharp, rel=1e-4)
    assert float(heatmap_confidence(two)) < 0.2 * sharp
    half = float(heatmap_confidence(two, confidence_spread=15 / 64))
    assert half == pytest.approx(0.5, abs=0.01)


def test_value_and_spread_of_the_peak() -> None:
    size = (64, 64)
    maps = gaussians(pixels([[30.0, 30.0], [10.0, 50.0]], size), size, 3.0, 0.7)
    torch.testing.assert_close(peak_values(maps), torch.full((1, 2), 0.7))
    whole = peak_spread(maps[:, :1], above=0.0)
    assert float(whole) == pytest.approx(2**0.5 * 3.0 / 64, rel=1e-3)
    two = gaussians(pixels([[10.0, 30.0], [50.0, 30.0]], size), size, 1.0).sum(1, keepdim=True)
    assert float(peak_spread(two)) == pytest.approx(20 / 64, rel=0.01)
    assert float(peak_spread(torch.zeros(1, 1, 4, 4))) == 1.0


@pytest.mark.parametrize("dims", [2, 3])
def test_scripted_decoding_gives_the_same(dims: int) -> None:
    torch.manual_seed(0)
    maps = torch.rand(2, 3, *(12, 14, 16)[:dims])
    for method in ("argmax", "centroid", "quadratic"):
        torch.testing.assert_close(torch.jit.script(decode_heatmaps)(maps, method), decode_heatmaps(maps, method))


def test_half_precision_is_decoded_in_float32() -> None:
    maps = gaussians(pixels([[30.3, 20.7]], (48, 64)), (48, 64), 2.0)
    points, confidence = decode_heatmaps(maps.bfloat16(), "centroid")
    assert points.dtype == confidence.dtype == torch.float32
    torch.testing.assert_close(points, decode_heatmaps(maps)[0], atol=1e-3, rtol=0)


def test_wrong_arguments_raise_an_error() -> None:
    with pytest.raises(ValueError, match="'argmax', 'centroid' or 'quadratic', got 'soft'"):
        decode_heatmaps(torch.zeros(1, 1, 4, 4), "soft")
    with pytest.raises(ValueError, match=r"\(B, N, H, W\).*got \[4, 4\]"):
        decode_heatmaps(torch.zeros(4, 4))
