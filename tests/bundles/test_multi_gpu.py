"""Two processes on one processor do together what one does alone."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.bundles.bundle_runs import BUNDLES, config, start

ALIKE = (
    "device",
    "main_process",
    "validate#sampler",
    "validate#dataloader#sampler",
    "+initialize",
    "finalize",
)
# eighteen numbers, learnt in minutes from features that are computed once: nothing to share, and its README says so
ALONE = {"knee_parts_registration"}


def run_processes(count: int, bundle: Path, output: Path, **settings: object) -> list[dict]:
    output.mkdir()
    script = str(Path(__file__).with_name("one_of_two.py"))
    arguments = [script, str(bundle), str(output), json.dumps(settings)]
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={count}"] if count > 1 else []
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run([sys.executable, *launcher, *arguments], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return [torch.load(output / f"rank{rank}.pt", weights_only=False) for rank in range(count)]


def evaluation(output: Path) -> dict[str, float]:
    with (output / "evaluation" / "metrics.csv").open() as file:
        return {name: float(value) for name, value in csv.reader(file)}


def test_two_processes_share_an_epoch_and_agree(repository: Path, tmp_path: Path) -> None:
    bundle = repository / "bundles" / "knee_roi_localization"
    settings = {**BUNDLES[bundle.name].small, "phantom_size": 6, "max_epochs": 2}
    first, second = run_processes(2, bundle, tmp_path / "two", **settings)
    weights = str(tmp_path / "two" / "model_last.pt")
    (alone,) = run_processes(1, bundle, tmp_path / "alone", weights=weights, **settings)

    for epoch in (1, 2):
        once = [label for rank in (first, second) for e, label in rank["seen"] if e == epoch]
        expected = [label for e, label in alone["seen"] if e == epoch]
        assert len(once) == len(expected) == 2 * settings["phantom_size"], "each film has two knees"
        assert sorted(map(str, once)) == sorted(map(str, expected)), "not each film once, augmented alike"
    assert {str(label) for _, label in first["seen"]}.isdisjoint(str(label) for _, label in second["seen"])

    for name, weight in first["weights"].items():
        assert torch.equal(weight, second["weights"][name]), name
    assert any(not torch.equal(weight, alone["weights"][name]) for name, weight in first["weights"].items())
    assert first["metrics"] == second["metrics"]

    assert evaluation(tmp_path / "two") == pytest.approx(evaluation(tmp_path / "alone"), rel=1e-5)
    assert evaluation(tmp_path / "alone")["mean_error_mm"] > 0


def test_a_single_process_is_told_how_to_start(repository: Path, tmp_path: Path) -> None:
    bundle = repository / "bundles" / "knee_roi_localization"
    with pytest.raises(RuntimeError) as error:
        start(bundle, "training", ["train.json", "multi_gpu_train.json"], output_dir=str(tmp_path))
    assert "torchrun" in str(error.value.__cause__)


@pytest.mark.parametrize("name", sorted(set(BUNDLES) - ALONE))
def test_the_overlays_are_those_of_all_bundles(repository: Path, name: str) -> None:
    """One process group, one sampler and one way to find the device for all; training alone wraps what learns."""
    bundle, other = repository / "bundles" / name, repository / "bundles" / "knee_roi_localization"
    training, evaluating = config(bundle, "multi_gpu_train.json"), config(bundle, "multi_gpu_evaluate.json")
    reference = config(other, "multi_gpu_evaluate.json")
    for key in ALIKE:
        assert training[key] == evaluating[key] == reference[key], key
    assert evaluating["+imports"] == reference["+imports"]
    assert training["+imports"] == [*evaluating["+imports"], "$from kneebundle.training import parallel"]
    assert set(evaluating) == {*ALIKE, "_desc_", "+imports"}
    assert set(training) - {"loss"} == {*ALIKE, "_desc_", "+imports", "network"}


@pytest.mark.parametrize("name", sorted(ALONE))
def test_a_bundle_for_one_process_says_so(repository: Path, name: str) -> None:
    bundle = repository / "bundles" / name
    assert not list(bundle.glob("configs/multi_gpu_*.json"))
    assert "There is no `multi_gpu_train.json`" in (bundle / "docs" / "README.md").read_text()
