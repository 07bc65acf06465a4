"""A packed bundle where MONAI and the packages that its metadata name are, and kneebundle is not."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import pytest

from kneebundle.zoo.pack import pack_bundle
from tests.bundles.bundle_runs import BUNDLES, start
from tests.zoo.bare_python import make_bare_python, run_bare

IMAGE = {
    "hand_landmark_scn": "hands/images/hand_0.png",
    "knee_roi_localization": "films/film_0.dcm",
    "knee_surgical_planning": "lateral/lateral_1.dcm",
}
QUICK = "knee_landmark_localization"
STEPS = Path(__file__).with_name("monai_steps.py")


def python_for(bundle: Path, folder: Path) -> Path:
    """A Python with what somebody installs for a bundle: MONAI, and the packages that the metadata require."""
    packages = json.loads((bundle / "configs/metadata.json").read_text())["required_packages_version"]
    interpreter = make_bare_python(folder / "venv", ["monai", "torch", "numpy", *packages])
    failed = run_bare(interpreter, "-c", "import numpy, kneebundle", cwd=folder)
    assert "No module named 'kneebundle'" in failed.stderr
    return interpreter


def one_image(repository: Path, name: str, folder: Path) -> Path:
    """A folder with one of the samples."""
    folder.mkdir()
    shutil.copy(repository / "samples" / IMAGE.get(name, "knees/knee_R_kl1.dcm"), folder)
    return folder


@pytest.mark.parametrize("name", [n if n == QUICK else pytest.param(n, marks=pytest.mark.slow) for n in BUNDLES])
def test_is_fetched_loaded_and_answers(name: str, repository: Path, tmp_path: Path) -> None:
    python = python_for(repository / "bundles" / name, tmp_path)
    packed = pack_bundle(repository / "bundles" / name, tmp_path / "published")
    images, output = one_image(repository, name, tmp_path / "images"), tmp_path / "out"
    done = run_bare(python, STEPS, name, packed.path.as_uri(), tmp_path / "fetched", images, output, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"imported from {tmp_path / 'fetched' / name / 'kneebundle'}" in done.stdout
    here = tmp_path / "here"
    start(
        repository / "bundles" / name, "evaluating", ["inference.json"], dataset_dir=str(images), output_dir=str(here)
    )
    assert {path.name for path in here.iterdir()} == {path.name for path in output.iterdir()}
    for table in here.glob("*.csv"):
        assert table.read_text() == (output / table.name).read_text()


@pytest.mark.slow
@pytest.mark.parametrize("name", BUNDLES)
def test_commands_of_its_documentation_work_in_its_folder(name: str, repository: Path, tmp_path: Path) -> None:
    python = python_for(repository / "bundles" / name, tmp_path)
    with zipfile.ZipFile(pack_bundle(repository / "bundles" / name, tmp_path).path) as archive:
        archive.extractall(tmp_path)
    small = [text for key, value in BUNDLES[name].small.items() for text in (f"--{key}", value)]
    both = "['configs/train.json','configs/evaluate.json']"
    images = one_image(repository, name, tmp_path / "images")
    for command in (
        ["training", "--config_file", "configs/train.json", "--output_dir", tmp_path / "trained", *small],
        ["evaluating", "--config_file", both, "--output_dir", tmp_path / "eval", *small]
        + ["--weights", tmp_path / "trained" / "model.pt"],
        ["evaluating", "--config_file", "configs/inference.json", "--dataset_dir", images]
        + ["--output_dir", tmp_path / "out"],
    ):
        done = run_bare(python, "-m", "monai.bundle", "run", *command, cwd=tmp_path / name)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "eval" / "metrics.csv").is_file()
    assert list((tmp_path / "out").iterdir())
