"""Overrides of a monai.bundle run: known ones pass, others are an error before anything is done."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from monai.bundle import run

from kneebundle.errors import KneeBundleError
from kneebundle.settings import check_overrides

CONTENT = {
    "bundle_root": ".",
    "dataset_dir": "",
    "stages": [1, 2],
    "network_def": {"_target_": "torch.nn.Linear", "in_features": 2},
    "train": {"dataset": {"data": []}},
}


@pytest.mark.parametrize(
    "key",
    ["dataset_dir", "stages#1", "network_def#bias", "network_def::in_features", "train#dataset", "+stages", "~train"],
)
def test_known_keys_and_arguments_of_components_pass(key: str) -> None:
    check_overrides([key], CONTENT)


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("datset_dir", "no 'datset_dir'; did you mean 'dataset_dir'?"),
        ("dataset-dir", "did you mean 'dataset_dir'?"),
        ("train#datset#data", "no 'train#datset#data'; did you mean 'train#dataset'?"),
        ("train::dataset::dta", "did you mean 'train#dataset#data'?"),
        ("stages#2", "no 'stages#2'"),
        ("dataset_dir#x", "'dataset_dir' has no parts"),
        ("qqq", "its keys are in the configuration files"),
        ("+imprts", "no '+imprts'"),
    ],
)
def test_unknown_keys_are_an_error_that_names_the_nearest(key: str, said: str) -> None:
    with pytest.raises(KneeBundleError) as caught:
        check_overrides([key], CONTENT)
    assert said in str(caught.value)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    (tmp_path / "configs").mkdir()
    content = {
        "bundle_root": ".",
        "dataset_dir": "",
        "initialize": [{"_target_": "kneebundle.settings.check_settings"}],
        "run": ["$open(@bundle_root + '/done', 'w').write(@dataset_dir)"],
    }
    (tmp_path / "configs" / "a.json").write_text(json.dumps(content))
    (tmp_path / "configs" / "more.json").write_text(json.dumps({"extra": 1}))
    (tmp_path / "configs" / "metadata.json").write_text('{"version": "1"}')
    return tmp_path


def files(bundle: Path, *names: str) -> list[str]:
    return [str(bundle / "configs" / name) for name in names or ("a.json",)]


def test_a_run_with_an_unknown_override_does_nothing(bundle: Path) -> None:
    with pytest.raises(SystemExit, match="did you mean 'dataset_dir'"):
        run(config_file=files(bundle), bundle_root=str(bundle), datset_dir="mine")
    assert not (bundle / "done").exists()


def test_a_run_with_known_overrides_runs(bundle: Path) -> None:
    run(config_file=files(bundle), bundle_root=str(bundle), dataset_dir="mine", run_id="run")
    assert (bundle / "done").read_text() == "mine"
    run(config_file=files(bundle, "a.json", "more.json"), bundle_root=str(bundle), extra=2)


def test_a_key_of_a_file_that_is_not_given_is_unknown(bundle: Path) -> None:
    with pytest.raises(SystemExit, match="no 'extra'"):
        run(config_file=files(bundle), bundle_root=str(bundle), extra=2)


def test_arguments_in_a_file_are_checked_too(bundle: Path) -> None:
    arguments = bundle / "arguments.json"
    arguments.write_text(json.dumps({"config_file": files(bundle), "bundle_root": str(bundle), "datasetdir": "mine"}))
    with pytest.raises(SystemExit, match="did you mean 'dataset_dir'"):
        run(args_file=str(arguments))


def test_an_error_of_ours_is_the_only_line_of_the_command(repository: Path, tmp_path: Path) -> None:
    """The one that MONAI wraps in an error of its own; others keep their traceback."""
    root = repository / "bundles" / "knee_landmark_localization"
    said = []
    for more in (["--dataset_dir", str(tmp_path)], ["--network_def#width", "nonsense"]):
        command = [sys.executable, "-m", "monai.bundle", "run", "training", "--config_file", "configs/train.json"]
        command += ["--output_dir", str(tmp_path / "out"), "--logging_file", "False", *more]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        said.append(done.stderr)
    assert "Traceback" not in said[0] and "Traceback" in said[1]
    ours = [line for line in said[0].splitlines() if line.startswith("kneebundle: ")]
    assert ours == [f"kneebundle: {tmp_path}: this is no data set of knees: images/ and landmarks.csv are needed in it"]


def test_a_run_from_elsewhere_is_told_of_the_bundles_folder(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    with pytest.raises(SystemExit, match=f"set bundle_root to '{bundle}'"):
        run(config_file=files(bundle))
