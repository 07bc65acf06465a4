"""Training on cached regions: interrupted and resumed it gives the same weights."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kneebundle.datasets.region_cache import KneeRegions
from kneebundle.networks.hourglass import HourglassLandmarkNet
from kneebundle.training.region_sampling import RegionSampling
from kneebundle.training.region_training import RegionSource, train_on_regions


def _regions(knees: int = 4) -> KneeRegions:
    rng = np.random.default_rng(0)
    points = rng.uniform(40, 60, (knees, 16, 2)).astype(np.float32)
    look = rng.integers(1, 255, (knees, 100, 100), dtype=np.uint8)
    return KneeRegions({"raw": look, "equalized": look}, points, [{}] * knees)


def _network() -> HourglassLandmarkNet:
    torch.manual_seed(0)
    return HourglassLandmarkNet(16, width=4, depth=2, dropout=0.0, beta=10.0)


def test_training_resumes_to_the_same_weights(tmp_path: Path) -> None:
    regions = _regions()
    sources = [
        RegionSource(regions, np.array([0, 1]), {"raw": 0.5, "equalized": 0.5}),
        RegionSource(regions, np.array([2, 3]), {"raw": 1.0}, share=1.0, labelled=False),
    ]
    options: dict[str, Any] = {
        "batch_size": 2,
        "sampling": RegionSampling(size_px=64),
        "precision": None,
        "save_every": 2,
    }
    whole = train_on_regions(_network(), sources, tmp_path / "whole", 8, **options)
    steps: list[int] = []
    interrupted = _network()

    class Stop(Exception):
        pass

    def stop(step: int, loss: float) -> None:
        steps.append(step)
        raise Stop

    with pytest.raises(Stop):
        train_on_regions(interrupted, sources, tmp_path / "parts", 8, report=stop, **options)
    again = train_on_regions(_network(), sources, tmp_path / "parts", 8, **options)
    assert steps == [2]
    for name, value in whole.items():
        torch.testing.assert_close(again[name], value)
    stored = torch.load(tmp_path / "parts" / "model.pt", weights_only=True)
    assert set(stored) == set(whole)
