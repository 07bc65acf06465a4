"""What is special to the planning bundle: its geometry, the published settings, the files it writes when run alone."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser
from monai.data import MetaTensor
from PIL import Image

from kneebundle.phantoms.lateral import LateralKnees
from kneebundle.transforms.points import world_to_normalized
from tests.bundles.bundle_runs import BUNDLES, start

SMALL = BUNDLES["knee_surgical_planning"].small


@pytest.fixture
def bundle(repository: Path) -> Path:
    return repository / "bundles" / "knee_surgical_planning"


def parser(bundle: Path, *files: str, **overrides: Any) -> ConfigParser:
    parsed = ConfigParser()
    parsed.read_config([str(bundle / "configs" / name) for name in files])
    parsed.update(overrides)
    return parsed


def dots(points: np.ndarray, size: int) -> np.ndarray:
    y, x = np.mgrid[:size, :size]
    return sum(np.exp(-((x - a) ** 2 + (y - b) ** 2) / 18) for a, b in points).astype(np.float32)


def test_random_geometry_moves_image_masks_and_points_alike(bundle: Path) -> None:
    geometry = parser(bundle, "train.json").get_parsed_content("train#geometry")
    geometry.set_random_state(1)
    points, spacing = np.array([[100.0, 80.0], [160.0, 140.0], [120.0, 180.0]]), 0.7
    image = torch.from_numpy(dots(points, 256))[None]
    affine = torch.diag(torch.tensor([spacing, spacing, 1.0, 1.0], dtype=torch.float64))
    moved = 0
    for _ in range(12):
        d = geometry(
            {"image": MetaTensor(image, affine=affine), "masks": MetaTensor(image.repeat(4, 1, 1), affine=affine)}
        )
        torch.testing.assert_close(d["image"][0].as_tensor(), d["masks"][3].as_tensor())
        for x, y in (world_to_normalized(points * spacing, d["image"]) * 256 - 0.5).tolist():
            rows, columns = np.mgrid[round(y) - 8 : round(y) + 9, round(x) - 8 : round(x) + 9]
            window = d["image"][0].as_tensor().numpy()[rows, columns]
            assert (window * columns).sum() / window.sum() == pytest.approx(x, abs=0.15)
            assert (window * rows).sum() / window.sum() == pytest.approx(y, abs=0.15)
        moved += not np.allclose(d["image"].affine, affine)
    assert moved > 6


def test_the_targets_lie_on_the_bones_of_the_networks_input(bundle: Path, tmp_path: Path) -> None:
    parsed = parser(bundle, "train.json", output_dir=str(tmp_path), phantom_size=4)
    item = parsed.get_parsed_content("validate#dataset")[0]
    image, label = item["image"][0], item["label"]
    assert image.shape == (256, 256) and label.shape == (7, 256, 256)
    femur = label[0] > 0.5
    assert float(image[femur].mean()) > float(image[~(label[:4] > 0.5).any(0)].mean())
    ridge = label[6] > 0.9
    edge = torch.nn.functional.max_pool2d(femur[None].float(), 7, 1, 3)[0] - femur.float()
    assert float(edge[ridge].sum()) > 0, "the cortex line lies on the femur's border"
    for channel in (4, 5):
        assert float(label[channel].max()) > 0.98


def test_films_that_are_prepared_otherwise_are_not_taken_from_the_cache(bundle: Path, tmp_path: Path) -> None:
    sizes = []
    for pixels in (64, 96, 64):
        parsed = parser(bundle, "train.json", output_dir=str(tmp_path), phantom_size=1, input_px=pixels)
        sizes.append(parsed.get_parsed_content("validate#dataset")[0]["image"].shape[-1])
    assert sizes == [64, 96, 64]
    assert len(list((tmp_path / "cache").iterdir())) == 2


def test_the_published_settings_are_one_file_away(bundle: Path, tmp_path: Path) -> None:
    parsed = parser(bundle, "train.json", "published.json", output_dir=str(tmp_path))
    assert (parsed["batch_size"], parsed["max_epochs"], parsed["weight_interval"]) == (2, 250, 1)
    assert (parsed["gradnorm_alpha"], parsed["weight_learning_rate"], parsed["overlap_weight"]) == (1.0, 0.025, 0.6)
    defaults = parsed["network_def"]
    assert [defaults[key] for key in ("stages", "c1", "c2", "channels")] == [4, 64, 128, 256]
    parsed["network_def#channels"] = 8
    optimizer = parsed.get_parsed_content("optimizer")
    schedule = parsed.get_parsed_content("lr_scheduler")
    assert isinstance(optimizer, torch.optim.RMSprop)
    for _ in range(60):
        optimizer.step()
        schedule.step()
    assert schedule.get_last_lr() == pytest.approx([0.000125])


def test_the_task_weights_are_saved_drawn_and_gone_on_with(bundle: Path, tmp_path: Path) -> None:
    settings = {**SMALL, "phantom_size": 2, "weight_interval": 1, "output_dir": str(tmp_path)}
    start(bundle, "training", ["train.json"], **settings)
    before = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert before["trainer"]["grad_norm"]["weights"].shape == (2, 3)
    start(bundle, "training", ["train.json"], **{**settings, "max_epochs": 2, "resume": True})
    after = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert after["task_weights"]["epochs"] == [1, 2]
    assert torch.equal(after["task_weights"]["weights"][0], before["task_weights"]["weights"][0])
    assert (tmp_path / "task_weights.png").is_file()


def films(folder: Path) -> Path:
    folder.mkdir()
    knee = LateralKnees(8, seed=77)[7]
    Image.fromarray(np.clip(knee.image, 0, 255).astype(np.uint8)).save(folder / "knee.png")
    (folder / "manifest.csv").write_text(f"path,spacing_mm\nknee.png,{knee.spacing_mm}\n")
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    return folder


def rows(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def test_an_untrained_network_plans_nothing_and_says_so(bundle: Path, tmp_path: Path) -> None:
    network = {key: value for key, value in SMALL.items() if key.startswith("network_def") or key == "input_px"}
    small = parser(bundle, "inference.json", **network).get_parsed_content("network_def")
    torch.save(small.state_dict(), tmp_path / "weights.pt")
    output = tmp_path / "out"
    data = str(films(tmp_path / "films"))
    weights = str(tmp_path / "weights.pt")
    start(
        bundle, "evaluating", ["inference.json"], dataset_dir=data, output_dir=str(output), weights=weights, **network
    )
    assert rows(output / "landmarks.csv") == []
    assert (output / "knee.png").is_file()
    assert "broken.png" in (output / "errors.csv").read_text()


def test_the_shipped_weights_plan_on_every_film_of_a_folder(bundle: Path, tmp_path: Path) -> None:
    data, output = films(tmp_path / "films"), tmp_path / "out"
    start(bundle, "evaluating", ["inference.json"], dataset_dir=str(data), output_dir=str(output))
    knee = LateralKnees(8, seed=77)[7]
    found = rows(output / "landmarks.csv")
    assert [row["landmark"] for row in found] == ["0", "1"]
    points = np.array([[float(row["x_px"]), float(row["y_px"])] for row in found])
    errors_mm = np.linalg.norm(points - knee.landmarks, axis=1) * knee.spacing_mm
    assert float(errors_mm.max()) < 6.0
    for number, bone in enumerate(("femur", "patella", "tibia", "fibula")):
        mask = np.asarray(Image.open(output / f"knee_{bone}.png")) > 0
        truth = np.asarray(knee.masks[number]) > 0
        assert mask.shape == truth.shape
        assert (mask & truth).sum() / (mask | truth).sum() > 0.75, bone
    assert (output / "knee.png").is_file()
