"""What is special to the hand bundle: its reader, its tables, the option for the U-Net."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser
from PIL import Image

from kneebundle.datasets.hands import LoadHandd
from kneebundle.evaluation.hands import measure_held_out_hands
from tests.bundles.bundle_runs import BUNDLES, config, start

SMALL = {"features": 4, "spatial_features": 4, "image_size": [96, 64]}


@pytest.fixture
def bundle(repository: Path) -> Path:
    return repository / "bundles" / "hand_landmark_scn"


@pytest.fixture
def weights(bundle: Path, tmp_path: Path) -> Path:
    """Of a small network that knows nothing."""
    torch.manual_seed(0)
    parser = ConfigParser({**config(bundle, "inference.json"), **SMALL})
    path = tmp_path / "fold0.pt"
    torch.save(parser.get_parsed_content("network_def").state_dict(), path)
    return path


def rows(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def test_predicts_on_every_image_of_a_folder_and_lists_the_others(bundle: Path, weights: Path, tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (90, 70), dtype=np.uint8)).save(images / "hand.png")
    (images / "broken.mha").write_bytes(b"ObjectType = Image\nNDims = ")
    settings = {**SMALL, "weights": str(weights), "dataset_dir": str(images), "output_dir": str(tmp_path / "out")}
    start(bundle, "evaluating", ["inference.json"], **settings, rotations_deg=[0.0, 5.0])
    landmarks = rows(tmp_path / "out" / "landmarks.csv")
    assert list(landmarks[0]) == ["path", "landmark", "x_px", "y_px", "confidence"]
    assert [int(r["landmark"]) for r in landmarks] == list(range(37))
    points = np.array([[float(r["x_px"]), float(r["y_px"])] for r in landmarks])
    hand = rows(tmp_path / "out" / "hands.csv")[0]
    assert float(hand["spacing_mm"] or np.inf) == pytest.approx(50 / np.linalg.norm(points[4] - points[0]), rel=1e-3)
    assert [Path(r["path"]).name for r in rows(tmp_path / "out" / "errors.csv")] == ["broken.mha"]


def test_trains_on_a_folder_and_is_measured_on_the_fold_kept_apart(
    repository: Path, bundle: Path, tmp_path: Path
) -> None:
    samples = repository / "samples" / "hands"
    settings = {**BUNDLES[bundle.name].small, "epoch_size": 4, "architecture": "unet", "dataset_dir": str(samples)}
    start(bundle, "training", ["train.json"], output_dir=str(tmp_path / "fold0"), fold=0, **settings)
    small = {**SMALL, "architecture": "unet"}
    errors = measure_held_out_hands(samples, str(tmp_path / "fold{fold}" / "model_last.pt"), bundle, overrides=small)
    assert {fold: list(hands) for fold, hands in errors.items()} == {"fold 0": ["hand_0"]}
    assert np.isfinite(errors["fold 0"]["hand_0"]).all()


def test_the_networks_input_and_targets_show_the_landmarks(bundle: Path, tmp_path: Path) -> None:
    """Bright squares at the landmarks are found, after all deterministic transforms, where the targets say."""
    points = np.stack([np.arange(37) % 6 * 40 + 30, np.arange(37) // 6 * 45 + 30], axis=1)
    pixels = np.zeros((340, 300), np.uint8)
    for x, y in points:
        pixels[y - 3 : y + 4, x - 3 : x + 4] = 255
    Image.fromarray(pixels).save(tmp_path / "hand.png")
    parser = ConfigParser(config(bundle, "train.json"))
    data: dict = LoadHandd()({"id": "hand", "image": str(tmp_path / "hand.png"), "landmarks": points})
    for step in parser.get_parsed_content("region_transforms") + parser.get_parsed_content("point_transforms"):
        data = step(data)
    assert data["image"].shape == (1, 256, 192)
    for x, y in data["landmarks"].numpy() * (192, 256) - 0.5:
        window = data["image"][0, round(y) - 5 : round(y) + 6, round(x) - 5 : round(x) + 6].as_tensor() + 1
        rows_, columns = torch.meshgrid(torch.arange(11.0), torch.arange(11.0), indexing="ij")
        assert float((window * rows_).sum() / window.sum()) - 5 + round(y) == pytest.approx(y, abs=0.2)
        assert float((window * columns).sum() / window.sum()) - 5 + round(x) == pytest.approx(x, abs=0.2)
