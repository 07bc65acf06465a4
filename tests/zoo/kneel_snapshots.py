"""Snapshots as KNEEL saves them, with random weights, and what their networks give, reckoned without folding."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from kneebundle.networks import KneelReleaseNet

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def make_network(seed: int, **options: Any) -> torch.nn.Module:
    """The network of one fold with an input of three channels; its layers are called as in a snapshot."""
    torch.manual_seed(seed)
    network: Any = KneelReleaseNet(**options).networks[0]
    network.layer1[0] = torch.nn.Conv2d(3, network.layer1[0].out_channels, 7, stride=2, padding=3)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(module.running_mean, 0, 0.2)  # type: ignore[arg-type]
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)  # type: ignore[arg-type]
    network.out_block[0].weight.data *= 5  # maps that are not flat
    return network.eval()


def predict(network: Any, image: torch.Tensor) -> torch.Tensor:
    """The answer of KNEEL's program: the image three times, normalised; the mean cell of the softmax of each map."""
    x = (image.repeat(1, 3, 1, 1) - torch.tensor(MEAN).view(1, 3, 1, 1)) / torch.tensor(STD).view(1, 3, 1, 1)
    maps = network.out_block(network.mixer(network.hourglass(network.layer2(network.layer1(x)))))
    height, width = maps.shape[2:]
    shares = maps.flatten(2).softmax(-1).view_as(maps)
    x_mean = (shares.sum(2) * torch.arange(width) / width).sum(-1)
    y_mean = (shares.sum(3) * torch.arange(height) / height).sum(-1)
    return torch.stack([x_mean, y_mean], dim=-1)


def write_snapshots(folder: Path, networks: list[Any], **further: Any) -> Path:
    """A folder of snapshots, one a fold, with mean_std.npy."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, network in enumerate(networks):
        torch.save({"model": network.state_dict(), "epoch": 3, **further}, folder / f"fold_{number}_val_loss_0.1.pth")
    np.save(folder / "mean_std.npy", [MEAN, STD])
    return folder
