"""A SpatialConfigurationNet learns in 3-D: landmarks that look alike, beside others that look like them."""

import torch
from monai.transforms import GenerateHeatmapd

from kneebundle.datasets.phantoms.volumes import PhantomVolumes
from kneebundle.losses.heatmap import HeatmapLoss
from kneebundle.networks.heatmaps import decode_heatmaps
from kneebundle.networks.scn import SpatialConfigurationNet

SIDE = 24
STEPS, BATCH = 45, 2


def batch_of(volumes: list[dict]) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.stack([v["image"] for v in volumes]), torch.stack([v["label"] for v in volumes])


def mean_error(network: SpatialConfigurationNet, volumes: PhantomVolumes) -> float:
    """In voxels."""
    image, label = batch_of(list(volumes))
    with torch.no_grad():
        points, _ = decode_heatmaps(network.eval()(image))
    network.train()
    return float(((points - label) * SIDE).norm(dim=-1).mean())


def test_some_steps_in_three_dimensions_bring_the_error_under_a_third() -> None:
    torch.manual_seed(0)
    network = SpatialConfigurationNet(
        3, 1, 4, features=8, levels=2, spatial_features=8, spatial_downsampling=4, spatial_kernel=5, dropout=0.1
    )
    loss = HeatmapLoss(4, spatial_dims=3, sigma=2.0, learn_sigma=False, scale=None)
    optimizer = torch.optim.Adam(network.parameters(), 4e-3)
    targets = GenerateHeatmapd(["voxels"], sigma=2.0, spatial_shape=(SIDE,) * 3)
    seen, unseen = PhantomVolumes(STEPS * BATCH, 0, (SIDE,) * 3), PhantomVolumes(6, 1, (SIDE,) * 3)

    before = mean_error(network, unseen)
    for step in range(STEPS):
        image, label = batch_of(seen[step * BATCH : (step + 1) * BATCH])
        heatmaps = [targets({"voxels": (points * SIDE - 0.5).flip(-1)})["voxels_heatmap"] for points in label]
        optimizer.zero_grad()
        loss(network(image), torch.stack(heatmaps)).backward()
        optimizer.step()
    after = mean_error(network, unseen)
    assert after < before / 3
