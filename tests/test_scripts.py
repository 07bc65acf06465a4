"""The scripts of the developers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from kneebundle.phantoms.pa.data_set import synthesize_knees


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Two output folders whose predictions differ in their flags and the seconds they took alone."""
    for name, flags, seconds in (("a", ["cut"], 1.5), ("b", [{"code": "cut_off"}], 2.5)):
        (tmp_path / name / "sub").mkdir(parents=True)
        knee = {"side": "R", "landmarks": [{"x_px": 1.25}, {"x_px": 2.0}], "flags": flags, "seconds": seconds}
        (tmp_path / name / "sub/x.json").write_text(json.dumps({"knees": [knee], "flags": flags}))
        (tmp_path / name / "x.png").write_bytes(b"\x89PNG 1")
        (tmp_path / name / "landmarks.csv").write_text("path,side\nx.png,R\n")
    return tmp_path / "a", tmp_path / "b"


def compare(repository: Path, first: Path, second: Path, *options: str) -> tuple[int, list[str]]:
    """Exit code of scripts/compare_outputs, and the lines it prints."""
    command = [sys.executable, str(repository / "scripts/compare_outputs"), str(first), str(second), *options]
    done = subprocess.run(command, text=True, capture_output=True)
    return done.returncode, done.stdout.splitlines()


def test_equal_output_folders_flags_aside(repository: Path, folders: tuple[Path, Path]) -> None:
    code, lines = compare(repository, *folders, "--ignore", "flags,seconds")
    assert (code, lines) == (0, [f"0 differences, 3 files in {folders[0]}"])


def test_each_difference_of_output_folders_has_its_line(repository: Path, folders: tuple[Path, Path]) -> None:
    first, second = folders
    (second / "x.png").write_bytes(b"\x89PNG 2")
    (second / "landmarks.csv").write_text("path,side\nx.png,L\n")
    (first / "only.txt").touch()
    (second / "sub/y.json").write_text("{}")
    changed = json.loads((second / "sub/x.json").read_text())
    changed["knees"][0]["landmarks"][1]["x_px"] = 2
    del changed["knees"][0]["side"]
    (second / "sub/x.json").write_text(json.dumps(changed))
    code, lines = compare(repository, first, second, "--ignore", "flags,seconds")
    assert code == 1
    assert [line.split(maxsplit=1)[0] for line in lines[:-1]] == [
        "landmarks.csv",
        "only.txt",
        "sub/x.json",
        "sub/y.json",
        "x.png",
    ]
    found = {line.split(maxsplit=1)[0]: line.split(maxsplit=1)[1] for line in lines[:-1]}
    assert found["landmarks.csv"] == "first at line 2, 2 and 2 lines"
    assert found["only.txt"] == "only in the first" and found["sub/y.json"] == "only in the second"
    assert "knees[0]: keys" in found["sub/x.json"] and "knees[0].landmarks[1].x_px: 2.0 and 2" in found["sub/x.json"]
    assert found["x.png"] == "not the same bytes (6 and 6)"
    assert lines[-1].startswith("5 differences")


def test_flags_alone_are_ignored_by_default(repository: Path, folders: tuple[Path, Path]) -> None:
    code, lines = compare(repository, *folders)
    assert code == 1
    assert lines[0] == "sub/x.json  knees[0].seconds: 1.5 and 2.5"


@pytest.fixture(scope="module")
def crops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn knees in the layout of a data set of crops."""
    folder = tmp_path_factory.mktemp("crops")
    synthesize_knees(folder, 8, size_mm=110.0, spacing_mm=0.6)
    return folder


def train(script: Path, *arguments: object) -> str:
    """What a training script prints."""
    command = [sys.executable, str(script), *map(str, arguments), "--precision", "float32"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, text=True, capture_output=True, check=True, env=environment).stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "options", "shown"),
    [
        ("train_joint_finder", ["--held-out", 2], "made: @1/1.5/2/2.5 mm"),
        ("train_knee_check", ["--windows", 20, "--drawn", 8], "| native |"),
    ],
)
def test_trainings_run_resume_and_evaluate(
    repository: Path, crops: Path, tmp_path: Path, script: str, options: list[object], shown: str
) -> None:
    program = repository / "scripts" / script
    call = (crops, tmp_path, "--fold", -1, "--made", 2, "--batch-size", 2, *options)
    assert shown in train(program, *call, "--steps", 1)
    weights = torch.load(tmp_path / "model.pt", weights_only=True)
    more = train(program, *call, "--steps", 2)
    assert "step 2: " in more and "step 1: " not in more
    after = torch.load(tmp_path / "model.pt", weights_only=True)
    assert after.keys() == weights.keys() and any(not torch.equal(after[name], weights[name]) for name in weights)
    assert shown in train(program, *call, "--only-evaluate", "--start", tmp_path / "model.pt")
