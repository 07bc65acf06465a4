"""A SpatialConfigurationNet learns in 3-D: landmarks that look alike, beside others that look like them."""

from __future__ import annotations

import numpy as np
import torch
from monai.transforms import GenerateHeatmapd

from kneebundle.losses.heatmap import HeatmapLoss
from kneebundle.networks.heatmaps import decode_heatmaps
from kneebundle.networks.scn import SpatialConfigurationNet

SIDE = 24
STEPS, BATCH = 45, 2
# Where the landmarks lie around the middle of them: x, y, z as fractions of the volume's side.
CONFIGURATION = np.array([[-0.22, -0.18, -0.20], [0.22, -0.14, 0.02], [-0.02, 0.20, -0.06], [0.02, -0.02, 0.22]])


def draw_volume(rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Four equal blobs in a configuration that is shifted and a little deformed, and two others that look the same.

    Returns:
        Volume (1, D, H, W), and its landmarks (4, 3) in [0, 1): x, y, z.
    """
    shift, jitter = rng.uniform(-0.1, 0.1, 3), rng.normal(0.0, 0.02, CONFIGURATION.shape).clip(-0.05, 0.05)
    fractions = 0.5 + CONFIGURATION + shift + jitter
    volume = rng.normal(0.0, 0.1, (SIDE,) * 3)
    for point in np.concatenate([fractions, rng.uniform(0.05, 0.95, (2, 3))]) * SIDE - 0.5:
        x, y, z = (np.exp(-0.5 * ((np.arange(SIDE) - place) / 1.6) ** 2) for place in point)
        volume += np.einsum("i,j,k->ijk", z, y, x)
    return torch.from_numpy(volume.astype(np.float32))[None], torch.from_numpy(fractions).float()


def draw_volumes(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    images, labels = zip(*(draw_volume(np.random.default_rng([seed, i])) for i in range(count)), strict=True)
    return torch.stack(images), torch.stack(labels)


def mean_error(network: SpatialConfigurationNet, images: torch.Tensor, labels: torch.Tensor) -> float:
    """In voxels."""
    with torch.no_grad():
        points, _ = decode_heatmaps(network.eval()(images))
    network.train()
    return float(((points - labels) * SIDE).norm(dim=-1).mean())


def test_some_steps_in_three_dimensions_bring_the_error_under_a_third() -> None:
    torch.manual_seed(0)
    network = SpatialConfigurationNet(
        3, 1, 4, features=8, levels=2, spatial_features=8, spatial_downsampling=4, spatial_kernel=5, dropout=0.1
    )
    loss = HeatmapLoss(4, spatial_dims=3, sigma=2.0, learn_sigma=False, scale=None)
    optimizer = torch.optim.Adam(network.parameters(), 4e-3)
    targets = GenerateHeatmapd(["voxels"], sigma=2.0, spatial_shape=(SIDE,) * 3)
    seen, unseen = draw_volumes(STEPS * BATCH, 0), draw_volumes(6, 1)

    before = mean_error(network, *unseen)
    for images, labels in zip(*(part.split(BATCH) for part in seen), strict=True):
        heatmaps = [targets({"voxels": (points * SIDE - 0.5).flip(-1)})["voxels_heatmap"] for points in labels]
        optimizer.zero_grad()
        loss(network(images), torch.stack(heatmaps)).backward()
        optimizer.step()
    after = mean_error(network, *unseen)
    assert after < before / 3
