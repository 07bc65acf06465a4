"""Classical methods beside the network of their fold, on drawn knees."""

from __future__ import annotations

import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kneebundle.datasets import read_knees
from kneebundle.errors import KneeBundleError
from kneebundle.evaluation import compare_classical, draw_starts, format_classical, predict_fold
from kneebundle.io import read_radiograph
from kneebundle.io.tables import read_table
from kneebundle.phantoms.pa import synthesize_knees
from kneebundle.pipelines import KneePipeline
from kneebundle.shape_models import ShapeModelNet

QUICK: dict[str, Any] = {"trees": 2, "features": 32, "samples": 4, "looks": 1}


@pytest.fixture(scope="module")
def knees(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("knees")
    synthesize_knees(folder, 10, seed=3, size_mm=110.0, spacing_mm=0.5)
    return folder


def test_starts_are_the_same_for_all_and_never_far(knees: Path) -> None:
    starts = draw_starts(knees, 5.0)
    assert len(starts) == 10 and all(np.abs(shift).max() <= 10 for shift in starts.values())
    again = draw_starts(knees, 5.0)
    assert all(np.array_equal(shift, again[name]) for name, shift in starts.items())
    assert not any(shift.any() for shift in draw_starts(knees, 0.0).values())


def test_a_method_and_the_network_stand_in_one_table(knees: Path, tmp_path: Path) -> None:
    starts = draw_starts(knees, 3.0)
    for method, options in (("rfrv", QUICK), ("hourglass", None)):
        predict_fold(knees, method, 1, tmp_path / method / "fold1", starts, options=options)
    rows = read_table(tmp_path / "rfrv/fold1/landmarks.csv", [])
    assert list(rows[0]) == "path side landmark name x_px y_px x_mm y_mm confidence".split()
    assert {row["side"] for row in rows} <= {"L", "R"} and len(rows) % 16 == 0
    comparisons, efforts = compare_classical(knees, tmp_path, ["rfrv", "hourglass"], [1])
    assert comparisons["rfrv"].errors.mean() < 6.0, "left knees are mirrored back"
    assert comparisons["hourglass"].errors.mean() < 3.0
    assert efforts["rfrv"].training > 0 and efforts["hourglass"].knee > 0
    table = format_classical(comparisons, efforts).splitlines()
    assert [line.split("|")[1].strip() for line in table[2:]] == ["rfrv", "hourglass"]
    assert re.search(r"\| \d+ \| \d+ \|$", table[2]) and table[3].endswith("| - | - |")


def test_a_fold_that_is_there_is_left_as_it_is(knees: Path, tmp_path: Path) -> None:
    (tmp_path / "landmarks.csv").write_text("mine")
    predict_fold(knees, "rfrv", 0, tmp_path, {})
    assert (tmp_path / "landmarks.csv").read_text() == "mine"


def test_another_method_is_an_error_of_one_line(knees: Path, tmp_path: Path) -> None:
    with pytest.raises(KneeBundleError, match="the methods are aam-igo, .*, hourglass; got 'asm'"):
        predict_fold(knees, "asm", 0, tmp_path, {})


def run_script(repository: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["train_classical", *words])
    monkeypatch.setattr(torch, "set_num_threads", lambda _: None)  # other tests may have more
    runpy.run_path(str(repository / "scripts/train_classical"), run_name="__main__")


@pytest.mark.parametrize("drawn", [pytest.param(True, marks=pytest.mark.slow), False])
def test_the_script_grows_forests_on_phantoms_or_a_data_set(
    drawn: bool,
    repository: Path,
    knees: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = ["--phantoms", "5"] if drawn else ["--dataset", str(knees), "--fold", "0"]
    quick = "--trees 1 --features 16 --samples 2".split()
    run_script(repository, monkeypatch, [*data, *quick, "-o", str(tmp_path)])
    shown = capsys.readouterr().out
    assert re.search(rf"^{5 if drawn else 8} knees, \d+ s of the processor, 0\.\d MB$", shown, re.MULTILINE)
    network = ShapeModelNet()
    network.load_state_dict(torch.load(tmp_path / "models/model.pt", weights_only=True))
    assert bool(network(torch.zeros(1, 1, 384, 384)).isfinite().all())


@pytest.mark.slow
@pytest.mark.parametrize("method", ["clm-igo", "clm-lbp", "aam-igo", "aam-lbp"])
def test_what_the_script_trained_predicts_radiographs(
    method: str, repository: Path, knees: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = tmp_path / "bundles" / "mine"
    run_script(repository, monkeypatch, ["--dataset", str(knees), "--method", method, "-o", str(mine)])
    pipeline = KneePipeline.from_bundles(mine.parent, device="cpu")
    (record,) = [r for r in read_knees(knees, "training", -1) if r["side"] == "L"][:1]
    radiograph = read_radiograph(Path(record["image"]), spacing_mm=record["spacing_mm"], side="L")
    (knee,) = pipeline.predict(radiograph, view="pa-single").knees
    assert knee.landmarks is not None
    off = np.linalg.norm(knee.landmarks.points - record["landmarks"], axis=1) * record["spacing_mm"]
    assert off.mean() < 4.0


def test_another_kind_of_bundle_is_an_error_of_one_line(
    repository: Path, knees: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(repository / "bundles/knee_landmark_rfrv/configs", tmp_path / "configs")
    with pytest.raises(SystemExit, match="train_classical: .* of kind 'rfrv', not 'aam'; give another folder"):
        run_script(repository, monkeypatch, ["--dataset", str(knees), "--method", "aam-igo", "-o", str(tmp_path)])
    assert not (tmp_path / "models").exists()


@pytest.mark.slow
def test_the_script_compares_all_classical_methods(repository: Path, knees: Path, tmp_path: Path) -> None:
    script = repository / "scripts/compare_classical"
    command = [sys.executable, str(script), str(knees), "-o", str(tmp_path), "--folds", "2"]
    shown = subprocess.run(command, text=True, capture_output=True, check=True).stdout
    for method in ("aam-igo", "aam-lbp", "clm-igo", "clm-lbp", "rfrv", "hourglass"):
        assert len(re.findall(rf"^\| {method} +\| 2 ", shown, re.MULTILINE)) == 2
        assert (tmp_path / method / "fold2/landmarks.csv").is_file()
