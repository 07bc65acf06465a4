"""What a selection of parts starts from: features, a reference, its landmarks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from kneebundle.errors import KneeBundleError
from kneebundle.networks.features import HourglassFeatures
from kneebundle.training.part_selection import load_pretrained_features, start_parts


class OwnFeatures(nn.Module):
    """Features that bring their weights."""


class Network:
    """Notes what it is given."""

    def __init__(self) -> None:
        self.extractor: Any = OwnFeatures()
        self.landmarks = torch.full((16, 2), torch.nan)
        self.reference: float | None = None

    def set_reference(self, image: torch.Tensor) -> None:
        self.reference = float(image.mean())


def items(landmarks: bool = True) -> list[dict[str, Any]]:
    known = {"landmarks": torch.full((16, 2), 0.75)} if landmarks else {}
    return [{"image": torch.full((1, 4, 4), float(i)), "path": f"set/k{i}.png", **known} for i in range(3)]


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr("kneebundle.training.part_selection.find_most_typical", lambda network, images: 1)
    return Network()


@pytest.mark.parametrize(("reference", "mean"), [("k2.png", 2.0), ("", 1.0)])
def test_the_reference_is_the_one_that_is_named_or_the_most_typical(network: Any, reference: str, mean: float) -> None:
    assert start_parts(network, items(), "no weights are needed", reference) is network
    assert network.reference == mean
    assert (network.landmarks == 0.5).all()


def test_landmarks_that_are_not_known_stay_unknown(network: Any) -> None:
    start_parts(network, items(landmarks=False), "")
    assert torch.isnan(network.landmarks).all()


def test_a_reference_that_is_not_there_is_an_error(network: Any) -> None:
    with pytest.raises(KneeBundleError, match=r"no image of the training data ends with 'k9\.png'"):
        start_parts(network, items(), "", "k9.png")


def test_weights_of_the_features_that_are_none_are_an_error(tmp_path: Path) -> None:
    own = OwnFeatures()
    assert load_pretrained_features(own, tmp_path / "none.pt") is own  # type: ignore[arg-type]
    features = HourglassFeatures(levels=2)
    with pytest.raises(KneeBundleError, match="there are no such weights for the features"):
        load_pretrained_features(features, tmp_path / "none.pt")
    torch.save({"layer.weight": torch.zeros(2)}, tmp_path / "other.pt")
    with pytest.raises(KneeBundleError, match="these weights are of another network"):
        load_pretrained_features(features, tmp_path / "other.pt")
