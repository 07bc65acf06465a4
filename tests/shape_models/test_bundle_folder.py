"""A model that was trained here as a bundle that predicts."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kneebundle.bundles import find_bundle_root, list_bundles
from kneebundle.datasets import LoadKneed
from kneebundle.errors import KneeBundleError
from kneebundle.pipelines import LandmarkModel
from kneebundle.shape_models import (
    SPACING_MM,
    RegressionVoting,
    train_active_appearance,
    train_constrained_local,
    write_bundle,
)
from kneebundle.zoo import read_metadata
from tests.shape_models.conftest import Knees


@pytest.mark.parametrize(
    "train",
    [partial(train_constrained_local, features="igo", far=8), partial(train_active_appearance, features="lbp")],
    ids=["clm", "aam"],
)
def test_the_bundle_takes_the_network_s_place_and_finds_knees(
    train: Any, training: Knees, others: Knees, tmp_path: Path
) -> None:
    model = train(training.regions, training.points, SPACING_MM)
    file = write_bundle(model, tmp_path / "mine")
    assert file == tmp_path / "mine/models/model.pt"
    assert find_bundle_root("knee_landmark_localization", tmp_path) == tmp_path / "mine"
    (listed,) = list_bundles(tmp_path)
    assert [name for name, _ in listed.weights] == ["model.pt"]
    assert read_metadata(tmp_path / "mine")["version"] == "0.1.0"
    network = LandmarkModel(tmp_path / "mine", torch.device("cpu"))
    assert network.least_confidence is None and network.radii is None
    load = LoadKneed()
    off = []
    for record in others.records:
        knee: dict[Any, Any] = load(record)
        (points,) = network.locate([knee])
        truth = np.asarray(record["landmarks"]) * record["spacing_mm"]
        off.append(np.linalg.norm(points[:, :2].numpy() - truth, axis=1).mean())
    assert {record["side"] for record in others.records} == {"L", "R"} and np.mean(off) < 3.0


def test_written_again_its_configuration_stays(voting: RegressionVoting, tmp_path: Path) -> None:
    write_bundle(voting, tmp_path)
    config = tmp_path / "configs/inference.json"
    content = json.loads(config.read_text())
    config.write_text(json.dumps({**content, "least_confidence": 0.2}))
    write_bundle(voting, tmp_path)
    assert LandmarkModel(tmp_path, torch.device("cpu")).least_confidence == 0.2


def test_the_bundle_of_another_kind_is_left_alone(voting: RegressionVoting, training: Knees, tmp_path: Path) -> None:
    before = write_bundle(voting, tmp_path).read_bytes()
    other = train_constrained_local(training.regions[:4], training.points[:4], SPACING_MM, near=1, far=2)
    with pytest.raises(KneeBundleError, match="made for a model of kind 'rfrv', not 'clm'; give another folder"):
        write_bundle(other, tmp_path)
    assert (tmp_path / "models/model.pt").read_bytes() == before


def test_a_damaged_model_is_an_error_of_one_line(voting: RegressionVoting, tmp_path: Path) -> None:
    file = write_bundle(voting, tmp_path)
    file.write_bytes(file.read_bytes()[:5000])
    with pytest.raises(KneeBundleError, match=r"model\.pt: the weights do not fit the bundle's network") as caught:
        LandmarkModel(tmp_path, torch.device("cpu"))
    assert "\n" not in str(caught.value)
