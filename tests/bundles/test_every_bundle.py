"""What every bundle promises, through monai.bundle: training, resuming, evaluation.

test_configs.py has what its configuration files promise, test_model_zoo.py what the zoo asks.
"""

from pathlib import Path

import pytest
import torch

from tests.bundles.bundle_runs import BUNDLES, WITHOUT_TRAINING, start


@pytest.fixture(params=BUNDLES)
def bundle(request: pytest.FixtureRequest, repository: Path) -> Path:
    return repository / "bundles" / request.param


def test_no_bundle_is_left_out(repository: Path) -> None:
    found = {path.parent.parent.name for path in repository.glob("bundles/*/configs/metadata.json")}
    assert found == {*BUNDLES, *WITHOUT_TRAINING}
    without = {path.parents[1].name for path in repository.glob("bundles/*/configs/inference.json")} - {
        path.parents[1].name for path in repository.glob("bundles/*/configs/train.json")
    }
    assert without == set(WITHOUT_TRAINING)


def test_trains_without_data_and_goes_on_and_is_evaluated(bundle: Path, tmp_path: Path) -> None:
    described = BUNDLES[bundle.name]
    settings = described.small
    start(bundle, "training", ["train.json"], output_dir=str(tmp_path), **settings)
    first = torch.load(tmp_path / "model.pt", weights_only=True)
    assert any((tmp_path / "tensorboard").iterdir())
    start(bundle, "run", ["train.json"], output_dir=str(tmp_path), **{**settings, "max_epochs": 2}, resume=True)
    checkpoint = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert checkpoint["trainer"]["iteration"] == 2 * checkpoint["trainer"]["epoch_length"]
    last = torch.load(tmp_path / "model_last.pt", weights_only=True)
    assert any(not torch.equal(first[name], last[name]) for name in last)
    start(
        bundle,
        "evaluating",
        ["train.json", "evaluate.json"],
        output_dir=str(tmp_path / "eval"),
        weights=str(tmp_path / "model.pt"),
        **settings,
    )
    for name in described.evaluated:
        assert (tmp_path / "eval" / name).is_file(), name


@pytest.mark.parametrize(
    "files",
    [
        ["train.json"],
        ["inference.json"],
        ["train.json", "evaluate.json"],
        ["train.json", "multi_gpu_train.json"],
        ["train.json", "evaluate.json", "multi_gpu_evaluate.json"],
    ],
    ids=lambda names: names[-1],
)
def test_a_misspelt_setting_is_an_error(bundle: Path, files: list[str], tmp_path: Path) -> None:
    """MONAI would add it to the configuration, and then use the samples or phantoms."""
    if not all((bundle / "configs" / name).is_file() for name in files):
        pytest.skip("this bundle has no such configuration")
    with pytest.raises(SystemExit, match="no 'datset_dir'; did you mean 'dataset_dir'"):
        start(bundle, "run", files, output_dir=str(tmp_path / "out"), datset_dir=str(tmp_path))
    assert not (tmp_path / "out").exists()
