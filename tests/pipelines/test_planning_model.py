"""The planning bundle on films of any shape."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser

from kneebundle.errors import KneeBundleError
from kneebundle.landmarks import BONES
from kneebundle.pipelines.lateral import LateralPipeline
from kneebundle.pipelines.planning_model import PlanningModel
from tests.batch.lateral_fakes import film


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Path:
    """A folder with the planning bundle, its network small and its weights drawn."""
    folder = tmp_path_factory.mktemp("bundles")
    root = folder / "knee_surgical_planning"
    shutil.copytree(repository / "bundles/knee_surgical_planning/configs", root / "configs")
    path = root / "configs/inference.json"
    config = json.loads(path.read_text())
    config["network_def"].update(stages=1, c1=8, c2=8, channels=8, depth=1)
    path.write_text(json.dumps(config))
    torch.manual_seed(0)
    network = ConfigParser({"network": config["network_def"]}).get_parsed_content("network")
    (root / "models").mkdir()
    torch.save(network.state_dict(), root / "models/model.pt")
    return folder


def test_the_channels_are_those_that_the_metadata_names(repository: Path) -> None:
    metadata = json.loads((repository / "bundles/knee_surgical_planning/configs/metadata.json").read_text())
    channels = metadata["network_data_format"]["outputs"]["pred"]["channel_def"]
    assert [channels[str(number)] for number in range(6)] == [*BONES, "p_blum", "p_tmc"]


@pytest.mark.parametrize(("rows", "columns", "spacing"), [(200, 150, (0.9, 1.2)), (120, 300, (1.0, 1.0))])
def test_maps_cover_the_film_in_its_mm(bundles: Path, rows: int, columns: int, spacing: tuple[float, float]) -> None:
    model = PlanningModel(bundles / "knee_surgical_planning", torch.device("cpu"))
    maps = model.predict_maps(film(rows, columns, spacing).to_metatensor())
    assert maps.shape == (7, 256, 256)
    assert model.info.bundle == "knee_surgical_planning" and len(model.info.sha256) == 64
    affine = np.asarray(maps.affine)
    field = np.array([rows, columns]) * spacing
    assert affine[0, 0] == affine[1, 1] == pytest.approx(field.max() / 256)
    middle = affine[:2, :2] @ [127.5, 127.5] + affine[:2, 3]
    np.testing.assert_allclose(middle, (field - spacing) / 2, atol=affine[0, 0])


def test_a_network_that_knows_nothing_plans_nothing(bundles: Path) -> None:
    result = LateralPipeline.from_bundles(bundles, device="cpu").predict(film(200, 150, (0.9, 1.2)))
    assert result.plan.refused is not None and "does not look like a lateral knee" in result.plan.refused
    assert result.plan.point_px is None and result.landmarks is None and result.bones == ()
    assert result.flagged


def test_a_bundle_without_weights_says_so(tmp_path: Path, bundles: Path) -> None:
    shutil.copytree(bundles / "knee_surgical_planning/configs", tmp_path / "knee_surgical_planning/configs")
    with pytest.raises(KneeBundleError, match="no weights"):
        LateralPipeline.from_bundles(tmp_path, device="cpu")
