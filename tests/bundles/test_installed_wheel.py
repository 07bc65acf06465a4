"""What somebody who installed the wheel, and has no repository, does with each bundle through monai.bundle."""

from __future__ import annotations

import csv
import zipfile
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder
from packaging.requirements import Requirement

from tests.bundles.bundle_runs import BUNDLES
from tests.bundles.fake_data import fake_data
from tests.zoo.bare_python import make_bare_python, run_bare

NETWORK_AS_IT_IS = ("num_workers", "batch_size", "phantom_size", "film_count", "epoch_size", "precision")


@pytest.fixture(scope="module")
def python(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with the wheel and what it requires, and nothing of the repository."""
    folder = tmp_path_factory.mktemp("installed")
    wheel = next(WheelBuilder(str(repository)).build(directory=str(folder), versions=["standard"]))
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        lines = archive.read(metadata).decode().splitlines()
        needed = [Requirement(line.removeprefix("Requires-Dist: ")) for line in lines if line.startswith("Requires-D")]
        interpreter = make_bare_python(folder / "venv", [r.name for r in needed if "extra" not in str(r.marker)])
        (site,) = (folder / "venv").glob("lib/python*/site-packages")
        archive.extractall(site)
    return interpreter


@pytest.mark.slow
@pytest.mark.parametrize("name", BUNDLES)
def test_trains_is_evaluated_and_predicts_from_the_wheel(python: Path, tmp_path: Path, name: str) -> None:
    said = run_bare(python, "-c", "import kneebundle.bundles as b; print(b.find_bundles_folder())", cwd=tmp_path)
    root = Path(said.stdout.strip()) / name
    assert root.parent.name == "_bundles" and python.parent.parent in root.parents
    small = BUNDLES[name].small
    data = fake_data(name, tmp_path / "data")

    def run(run_id: str, files: list[str], **settings: object) -> str:
        texts = [text for key, value in settings.items() for text in (f"--{key}", value)]
        command = [run_id, "--bundle_root", root, "--config_file", str([f"{root}/configs/{file}" for file in files])]
        command += ["--meta_file", root / "configs/metadata.json", "--logging_file", root / "configs/logging.conf"]
        done = run_bare(python, "-m", "monai.bundle", "run", *command, *texts, cwd=tmp_path)
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout + done.stderr

    run("training", ["train.json"], output_dir=tmp_path / "trained", **small)
    assert (tmp_path / "trained/model.pt").is_file()

    few = {key: value for key, value in small.items() if key in NETWORK_AS_IT_IS}
    said_of_it = run("evaluating", ["train.json", "evaluate.json"], output_dir=tmp_path / "evaluated", **few)
    with (tmp_path / "evaluated/metrics.csv").open() as file:
        assert list(csv.reader(file))
    left_out = name == "knee_landmark_localization"
    assert ("is not part of this installation" in said_of_it) == left_out

    images = {**data.inference, "dataset_dir": data.images, "output_dir": tmp_path / "predicted"}
    run("evaluating", ["inference.json"], **images)
    predicted = {path.name for path in (tmp_path / "predicted").iterdir()}
    assert predicted and "errors.csv" not in predicted
