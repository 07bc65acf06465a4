"""Weights that KNEEL published become a bundle that gives what they give."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser
from PIL import Image

from kneebundle.bundles import find_bundle_root
from kneebundle.cli import main
from kneebundle.errors import KneeBundleError
from kneebundle.pipelines.landmark_model import LandmarkModel
from kneebundle.trust import trust_bundles
from kneebundle.zoo.import_kneel import import_kneel
from tests.zoo.kneel_snapshots import make_network, predict, write_snapshots

SMALL = {"num_landmarks": 16, "width": 4, "depth": 2}


def load(root: Path) -> Any:
    """The network of a bundle, as its inference.json has it, with its weights."""
    config = ConfigParser()
    config.read_config(str(root / "configs" / "inference.json"))
    network: Any = config.get_parsed_content("network_def")
    network.load_state_dict(torch.load(root / "models" / "model.pt", weights_only=True))
    return network.eval()


def difference(root: Path, networks: list[Any], size: tuple[int, int] = (96, 80)) -> float:
    image = torch.rand(2, 1, *size, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = torch.stack([predict(network, image) for network in networks]).mean(0)
        return float((load(root)(image) - expected).abs().max())


@pytest.mark.parametrize("generation", ["2019", "2024"])
def test_it_gives_what_the_published_network_gives(shared_data: Path, tmp_path: Path, generation: str) -> None:
    golden = shared_data / "kneel_snapshot_golden" / f"{generation}_hc"
    expected = torch.load(golden / "expected.pt", weights_only=True)
    np.save(tmp_path / "mean_std.npy", np.stack([expected["mean"].numpy(), expected["std"].numpy()]))
    made = import_kneel(golden, tmp_path / "bundle", tmp_path / "mean_std.npy")
    assert (made.generation, made.takes_place_of, made.folds) == (generation, "knee_landmark_localization", 1)
    with torch.no_grad():
        assert float((load(made.root)(expected["image"]) - expected["xy"]).abs().max()) < 1e-5


@pytest.mark.parametrize(
    ("options", "generation"),
    [
        (SMALL, "2024"),
        ({**SMALL, "inner_block": "bottleneck"}, "2019"),
        ({**SMALL, "block": "bottleneck", "inner_block": "bottleneck"}, "bottleneck"),
        ({**SMALL, "num_landmarks": 1, "depth": 1, "width": 6}, "2024"),
        ({**SMALL, "depth": 3, "width": 5}, "2024"),
        ({**SMALL, "width": 8, "excitation": 8, "inner_block": "bottleneck"}, "2019"),
        ({**SMALL, "width": 8, "excitation": 4, "inner_excitation": 4}, "2024"),
        ({**SMALL, "bias": False}, "2024"),
    ],
)
def test_any_width_depth_and_block_is_told_from_the_weights(
    tmp_path: Path, options: dict[str, Any], generation: str
) -> None:
    networks = [make_network(1, **options)]
    made = import_kneel(write_snapshots(tmp_path / "s", networks), tmp_path / "b")
    assert made.generation == generation
    assert difference(made.root, networks) < 1e-5


def test_folds_are_averaged_and_sizes_need_not_be_even(tmp_path: Path) -> None:
    networks = [make_network(seed, **SMALL) for seed in range(3)]
    made = import_kneel(write_snapshots(tmp_path / "s", networks), tmp_path / "b")
    assert made.folds == 3
    assert difference(made.root, networks, (93, 117)) < 1e-5


@pytest.mark.parametrize(
    "form", ["plain", "state_dict", "parallel", "both", "old file", "numpy loss", "1x1", "untracked"]
)
def test_the_weights_are_found_in_whatever_holds_them(tmp_path: Path, form: str) -> None:
    networks = [make_network(1, **SMALL)]
    state = networks[0].state_dict()
    folder = write_snapshots(tmp_path / "s", networks)
    if form == "1x1":  # the skip of another release: the outer weights of the 3x3 kernel are zero
        key = "layer1.3.skip.0.weight"
        inner = state[key][:, :, 1:2, 1:2].clone()
        state[key].zero_()
        state[key][:, :, 1:2, 1:2] = inner
        state = {**state, key: inner}
    if form == "untracked":
        state = {name: value for name, value in state.items() if not name.endswith("num_batches_tracked")}
    content: Any = {
        "plain": state,
        "state_dict": {"epoch": 1, "state_dict": state},
        "parallel": {"model": {f"module.{name}": value for name, value in state.items()}},
        "both": {f"models.{i}.{name}": value for i in range(2) for name, value in state.items()},
        "numpy loss": {"model": state, "val_loss": np.float64(0.1), "epoch": np.int64(4)},
    }.get(form, {"model": state})
    torch.save(content, folder / "fold_0_val_loss_0.1.pth", _use_new_zipfile_serialization=form != "old file")
    made = import_kneel(folder, tmp_path / "b")
    assert made.folds == (2 if form == "both" else 1)
    assert difference(made.root, networks) < 1e-5


def test_means_of_bytes_are_told_from_those_of_fractions(tmp_path: Path) -> None:
    folder = write_snapshots(tmp_path / "s", [make_network(1, **SMALL)])
    tops = []
    for number, scale in enumerate((1.0, 255.0)):
        np.save(folder / "mean_std.npy", np.array([[0.4], [0.25]]) * scale)
        root = import_kneel(folder, tmp_path / f"b{number}").root
        model = LandmarkModel(root, torch.device("cpu"))
        film = torch.rand(1, 400, 300)
        from monai.data import MetaTensor

        region = model.prepare({"image": MetaTensor(film, affine=torch.eye(4)), "center_mm": (150, 200), "side": "L"})
        tops.append((float(region["image"].min()), float(region["image"].max())))
    assert tops == [(0.0, 1.0), (0.0, 255.0)]


def test_it_says_who_may_use_the_weights(tmp_path: Path) -> None:
    root = import_kneel(write_snapshots(tmp_path / "s", [make_network(1, **SMALL)]), tmp_path / "b").root
    metadata = json.loads((root / "configs" / "metadata.json").read_text())
    for text in ((root / "LICENSE").read_text(), (root / "docs" / "README.md").read_text(), metadata["intended_use"]):
        assert "commercial" in text


def test_it_takes_the_place_of_an_installed_bundle(tmp_path: Path) -> None:
    parent = tmp_path / "bundles"
    made = import_kneel(write_snapshots(tmp_path / "s", [make_network(1, **SMALL)]), parent / "kneel")
    assert find_bundle_root("knee_landmark_localization", parent) == made.root
    assert find_bundle_root("knee_quality_check", parent).name == "knee_quality_check"
    import_kneel(tmp_path / "s", parent / "again")
    with pytest.raises(KneeBundleError, match="several bundles take the place of knee_landmark_localization"):
        find_bundle_root("knee_landmark_localization", parent)


class _Attack:
    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("attacked"),)


def break_snapshots(folder: Path, fault: str) -> None:
    """Make a folder of good snapshots a bad one."""
    file = folder / "fold_0_val_loss_0.1.pth"
    good = torch.load(file, weights_only=True)
    state = good["model"]
    if fault == "no mean":
        (folder / "mean_std.npy").unlink()
    elif fault == "bad mean":
        np.save(folder / "mean_std.npy", np.zeros((2, 3)))
    elif fault == "pickled mean":
        np.save(folder / "mean_std.npy", np.array([_Attack(), 1], dtype=object), allow_pickle=True)
    elif fault == "two means":
        np.save(folder / "mean_std.npy", np.ones((2, 2)))
    elif fault == "unsafe":
        torch.save({"model": state, "args": _Attack()}, file)
    elif fault == "plain pickle":
        file.write_bytes(pickle.dumps({"model": 1}))
    elif fault == "no torch":
        file.write_bytes(b"hello")
    elif fault == "unknown keys":
        torch.save({"model": {**state, "gate.weight": torch.ones(3)}}, file)
    elif fault == "missing keys":
        state.pop("mixer.3.1.weight")
        torch.save({"model": state}, file)
    elif fault == "other network":
        torch.save({"model": {"conv1.weight": torch.ones(3)}}, file)
    elif fault == "shape":
        state["mixer.3.0.bias"] = torch.ones(3)
        torch.save({"model": state}, file)
    elif fault == "other fold":
        other = make_network(1, **{**SMALL, "width": 6}).state_dict()
        torch.save({"model": other}, folder / "fold_1_val_loss_0.1.pth")
    elif fault == "same fold":
        torch.save(good, folder / "fold_0_val_loss_0.2.pth")
    elif fault == "above":
        (folder / "hc").mkdir()
        file.rename(folder / "hc" / file.name)
    elif fault == "landmarks":
        torch.save({"model": make_network(1, **{**SMALL, "num_landmarks": 6}).state_dict()}, file)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("no mean", r"there is no mean_std.npy in this folder or the one above"),
        ("bad mean", r"standard deviations above 0"),
        ("pickled mean", r"not an array of numbers"),
        ("two means", r"the network takes 3 channels and the means are of 2"),
        ("unsafe", r"might run code when it is loaded; it is not loaded"),
        ("plain pickle", r"not a snapshot of PyTorch|holds Python objects|no weights of a KNEEL"),
        ("no torch", r"not a snapshot of PyTorch"),
        ("unknown keys", r"1 keys unknown, such as gate.weight"),
        ("missing keys", r"1 keys missing, such as mixer.3.1.weight"),
        ("other network", r"no weights of a KNEEL network; found: model"),
        ("shape", r"weights of other shapes"),
        ("other fold", r"fold_1.*another network than fold_0_val_loss_0.1.pth \(width 6 and 4\)"),
        ("same fold", r"several snapshots of fold 0"),
        ("above", r"no fold_\*.pth in this folder; give one of its folders hc"),
        ("landmarks", r"a network of 6 landmarks"),
    ],
)
def test_what_is_no_snapshot_is_one_clear_line(tmp_path: Path, monkeypatch: Any, fault: str, reason: str) -> None:
    monkeypatch.chdir(tmp_path)
    folder = write_snapshots(tmp_path / "s", [make_network(1, **SMALL)])
    break_snapshots(folder, fault)
    with pytest.raises(KneeBundleError, match=reason):
        import_kneel(folder, tmp_path / "b")
    assert not (tmp_path / "b").exists()
    assert not (tmp_path / "attacked").exists()


def test_a_folder_that_is_not_empty_is_kept(tmp_path: Path) -> None:
    folder = write_snapshots(tmp_path / "s", [make_network(1, **SMALL)])
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "mine.txt").write_text("x")
    with pytest.raises(KneeBundleError, match="something at this place already"):
        import_kneel(folder, tmp_path / "b")
    with pytest.raises(KneeBundleError, match="no bundle of KNEEL's weights, and it is left alone"):
        import_kneel(folder, tmp_path / "b", overwrite=True)
    assert (tmp_path / "b" / "mine.txt").read_text() == "x"
    import_kneel(folder, tmp_path / "c")
    (tmp_path / "c" / "models" / "model.pt").write_bytes(b"")
    import_kneel(folder, tmp_path / "c", overwrite=True)
    assert (tmp_path / "c" / "models" / "model.pt").stat().st_size > 0


@pytest.mark.slow
def test_it_runs_by_itself_and_in_predict(tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    folder = write_snapshots(tmp_path / "s", [make_network(s, **{**SMALL, "depth": 4}) for s in range(2)])
    with pytest.raises(SystemExit) as ended:
        main(["import-kneel", str(folder), "-o", str(tmp_path / "bundles" / "kneel")])
    assert ended.value.code == 0
    centres = make_network(5, **{**SMALL, "num_landmarks": 1, "depth": 4})
    import_kneel(write_snapshots(tmp_path / "lc", [centres]), tmp_path / "bundles" / "kneel_centres")
    pixels = np.random.default_rng(0).integers(0, 255, (400, 400)).astype(np.uint8)
    (tmp_path / "in").mkdir()
    Image.fromarray(pixels).save(tmp_path / "in" / "knee.png")
    root = tmp_path / "bundles" / "kneel"
    command = [sys.executable, "-m", "monai.bundle", "run", "evaluating", "--config_file", "configs/inference.json"]
    command += [
        "--dataset_dir",
        str(tmp_path / "in"),
        "--output_dir",
        str(tmp_path / "out"),
        "--image_spacing_mm",
        "0.3",
    ]
    subprocess.run([*command, "--side", "R"], cwd=root, check=True, env={"PYTHONPATH": str(repository)}, timeout=120)
    rows = (tmp_path / "out" / "landmarks.csv").read_text().splitlines()
    assert len(rows) == 17
    trust_bundles(tmp_path / "bundles")  # those of the command are trusted already, those of Python code are not
    film = ["predict", str(tmp_path / "in"), "-o", str(tmp_path / "p"), "--bundles", str(tmp_path / "bundles")]
    with pytest.raises(SystemExit) as ended:
        main([*film, "--side", "R", "--spacing", "0.3", "--workers", "1"])
    assert ended.value.code == 0
    document = json.loads((tmp_path / "p" / "knee.json").read_text())
    assert {"kneel", "kneel_centres"} <= {model["bundle"] for model in document["models"]}
