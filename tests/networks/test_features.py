"""Frozen features: the landmark network's own activations, and VGG16's arithmetic under torchvision's names."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional

from kneebundle.networks.features import HourglassFeatures
from kneebundle.networks.hourglass import HourglassLandmarkNet
from kneebundle.networks.parts import PartsNet
from kneebundle.networks.vgg_features import VGGFeatures


def narrow() -> tuple[HourglassFeatures, HourglassLandmarkNet]:
    torch.manual_seed(0)
    network = HourglassLandmarkNet(2, width=4, depth=3).eval()
    features = HourglassFeatures(levels=2, width=4)
    features.load_landmark_network(network.state_dict())
    return features, network


def test_hourglass_features_are_the_landmark_networks_activations() -> None:
    features, network = narrow()
    image = torch.rand(1, 1, 64, 64) * 2 - 1
    entry = network.entry(image)
    first = network.hourglass.lower(functional.max_pool2d(entry, 2))
    inner: Any = network.hourglass.inner
    second = inner.lower(functional.max_pool2d(first, 2))
    both = [functional.normalize(level, dim=1) for level in (first, second)]
    both[1] = functional.interpolate(both[1], size=(8, 8), mode="bilinear")
    expected = functional.normalize(torch.cat(both, dim=1), dim=1)
    torch.testing.assert_close(features(image, cells=8), expected)


def test_features_are_unit_vectors_of_an_image_of_any_size_and_stay_frozen() -> None:
    features, _ = narrow()
    features.train()
    features.calibrate(torch.rand(2, 1, 64, 64))
    v = features(torch.rand(2, 1, 50, 70), cells=16)
    assert v.shape == (2, 32, 16, 16)
    torch.testing.assert_close(v.norm(dim=1), torch.ones(2, 16, 16))
    assert not features.training and not any(p.requires_grad for p in features.parameters())


def test_weights_of_another_width_raise_an_error() -> None:
    with pytest.raises(RuntimeError, match="size mismatch"):
        HourglassFeatures(levels=1, width=8).load_landmark_network(narrow()[1].state_dict())


VGG_SHAPES = {
    0: (64, 3),
    2: (64, 64),
    5: (128, 64),
    7: (128, 128),
    10: (256, 128),
    12: (256, 256),
    14: (256, 256),
    17: (512, 256),
    19: (512, 512),
    21: (512, 512),
}


def test_vgg_has_the_keys_and_shapes_of_torchvisions() -> None:
    state = VGGFeatures().state_dict()
    expected: dict[str, tuple[int, ...]] = {f"features.{i}.weight": (*shape, 3, 3) for i, shape in VGG_SHAPES.items()}
    expected |= {f"features.{i}.bias": (shape[0],) for i, shape in VGG_SHAPES.items()}
    assert {name: tuple(value.shape) for name, value in state.items()} == expected


def test_vgg_takes_a_file_with_more_layers_than_it_needs(tmp_path: Path) -> None:
    state = {name: torch.full_like(value, 0.5) for name, value in VGGFeatures().state_dict().items()}
    torch.save({**state, "features.24.weight": torch.zeros(1), "classifier.0.bias": torch.zeros(1)}, tmp_path / "v.pth")
    loaded = VGGFeatures(tmp_path / "v.pth")
    assert all(bool((value == 0.5).all()) for value in loaded.state_dict().values())
    with pytest.raises(FileNotFoundError):
        VGGFeatures(tmp_path / "none.pth")
    torch.save({"entry.weight": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(RuntimeError, match="Missing key"):
        VGGFeatures(tmp_path / "other.pth")


def test_vgg_computes_what_its_weights_say() -> None:
    """Every convolution hands on channel 0, once with a bias, once turned negative: worked out by hand."""
    network = VGGFeatures()
    state = {name: torch.zeros_like(value) for name, value in network.state_dict().items()}
    for i in VGG_SHAPES:
        state[f"features.{i}.weight"][0, 0, 1, 1] = 1.0
    state["features.0.bias"][0] = 3.0  # keeps ImageNet's negative values
    state["features.21.bias"][1] = 0.5
    state["features.21.bias"][2] = -0.5  # gone behind the last ReLU
    network.load_state_dict(state)
    image = torch.linspace(-1, 1, 32 * 32).reshape(1, 1, 32, 32)
    red = ((image + 1) / 2 - 0.485) / 0.229 + 3.0
    pooled = functional.max_pool2d(red, 8)  # three poolings by 2
    seen = network.describe(image, 4)
    assert seen.shape == (1, 512, 4, 4)
    torch.testing.assert_close(seen[:, :1], pooled)
    assert float(seen[:, 1].min()) == 0.5 == float(seen[:, 1].max())
    assert float(seen[:, 2:].abs().max()) == 0
    unit = network(image, cells=4)
    torch.testing.assert_close(unit[:, 0], (pooled / (pooled.square() + 0.25).sqrt())[:, 0])


def test_weights_come_from_a_network_of_parts_too() -> None:
    features, _ = narrow()
    fewer = HourglassFeatures(levels=1, width=4)
    fewer.load_landmark_network(PartsNet(features, channels=32).state_dict())
    torch.testing.assert_close(fewer.entry.state_dict(), features.entry.state_dict())
    torch.testing.assert_close(fewer.levels[0].state_dict(), features.levels[0].state_dict())
