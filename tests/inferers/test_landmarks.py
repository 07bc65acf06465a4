"""HeatmapInferer: the answers of a heatmap network look like those of a landmark network."""

import pytest
import torch

from kneebundle.inferers.landmarks import HeatmapInferer
from kneebundle.losses.heatmap import gaussian_heatmaps
from kneebundle.networks.heatmaps import decode_heatmaps
from kneebundle.networks.scn import SpatialConfigurationNet

POINTS = torch.tensor([[[0.31, 0.42], [0.55, 0.7]]])


class Gaussians(torch.nn.Module):
    """Heatmaps of two known points, whatever the image."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        ones = torch.ones(2)
        return gaussian_heatmaps(POINTS.expand(len(image), 2, 2), image.shape[2:], 2 * ones, 2 * ones)


@pytest.mark.parametrize(("method", "tolerance"), [("argmax", 0.5), ("centroid", 0.02), ("quadratic", 0.02)])
def test_answers_points_and_confidence(method: str, tolerance: float) -> None:
    answer = HeatmapInferer(method=method)(torch.zeros(3, 1, 40, 50), Gaussians())
    assert answer.shape == (3, 2, 3)
    error = (answer[..., :2] - POINTS) * torch.tensor([50, 40])
    assert float(error.abs().max()) <= tolerance
    assert bool(((answer[..., 2] > 0) & (answer[..., 2] <= 1)).all())


def test_height_and_spread_set_the_scale_of_the_confidence() -> None:
    image = torch.zeros(1, 1, 40, 50)
    usual = HeatmapInferer()(image, Gaussians())[..., 2]
    torch.testing.assert_close(HeatmapInferer(height=4.0)(image, Gaussians())[..., 2], usual / 2, rtol=0.05, atol=0)
    assert bool((HeatmapInferer(confidence_spread=0.1)(image, Gaussians())[..., 2] > usual).all())


@pytest.mark.parametrize("dtype", [None, "bfloat16"])
def test_asks_a_real_network_without_a_confidence_of_its_own(dtype: str | None) -> None:
    torch.manual_seed(0)
    network = SpatialConfigurationNet(
        2, 1, 3, features=4, levels=2, spatial_features=4, spatial_downsampling=4, spatial_kernel=3
    ).eval()
    image = torch.rand(2, 1, 16, 24)
    answer = HeatmapInferer(dtype)(image, network)
    assert answer.shape == (2, 3, 3) and answer.dtype == torch.float32
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype is not None):
        points, confidence = decode_heatmaps(network(image))
    torch.testing.assert_close(answer, torch.cat([points, confidence.unsqueeze(-1)], -1), atol=2e-3, rtol=0)
