"""start_from: exactly the tensors that fit are taken over."""

from pathlib import Path

import pytest
import torch

from kneebundle.errors import KneeBundleError
from kneebundle.networks.hourglass import HourglassLandmarkNet
from kneebundle.training.pretrained import LAST_LAYER, start_from


def network(landmarks: int, seed: int, width: int = 4) -> HourglassLandmarkNet:
    torch.manual_seed(seed)
    return HourglassLandmarkNet(landmarks, width=width, depth=2)


@pytest.fixture
def joint_weights(tmp_path: Path) -> Path:
    path = tmp_path / "joint.pt"
    torch.save(network(1, seed=1).state_dict(), path)
    return path


def test_all_layers_but_the_last_come_from_the_cheap_labels(joint_weights: Path) -> None:
    before = network(16, seed=2).state_dict()
    started = start_from(network(16, seed=2), joint_weights)
    source = torch.load(joint_weights, weights_only=True)
    after = started.state_dict()
    last = [name for name in after if name.startswith(LAST_LAYER)]
    assert last == [f"{LAST_LAYER}weight", f"{LAST_LAYER}bias"]
    for name, value in after.items():
        expected = before[name] if name in last else source[name]
        assert torch.equal(value, expected), name
    assert all(parameter.requires_grad for parameter in started.parameters())


def test_with_the_same_landmarks_everything_is_taken_over(joint_weights: Path) -> None:
    started = start_from(network(1, seed=3), joint_weights).state_dict()
    for name, value in torch.load(joint_weights, weights_only=True).items():
        assert torch.equal(started[name], value), name


def test_no_weights_leave_the_network_as_it_is() -> None:
    expected = network(16, seed=4).state_dict()
    for name, value in start_from(network(16, seed=4)).state_dict().items():
        assert torch.equal(value, expected[name])


def test_weights_of_another_architecture_are_errors(joint_weights: Path, tmp_path: Path) -> None:
    with pytest.raises(KneeBundleError, match="another network"):
        start_from(network(16, seed=5, width=8), joint_weights)
    with pytest.raises(KneeBundleError, match="no such weights"):
        start_from(network(16, seed=5), tmp_path / "absent.pt")
