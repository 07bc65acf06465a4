"""The bundle through monai.bundle: what its configs promise, training, evaluation, inference."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser, ConfigWorkflow, run, verify_metadata
from PIL import Image

from kneebundle.datasets.knees import LoadKneed, knee_records

BUNDLES = ("knee_landmark_localization", "knee_roi_localization")
SHARED_KEYS = ("network_def", "region_transforms", "region_mm", "spacing_mm", "fill_mode")
SMALL = {
    "network_def#width": 4,
    "num_workers": 0,
    "batch_size": 2,
    "phantom_size": 4,
    "max_epochs": 1,
    "precision": None,
}


@pytest.fixture(params=BUNDLES)
def bundle(request: pytest.FixtureRequest, repository: Path) -> Path:
    return repository / "bundles" / request.param


def small(name: str) -> dict[str, Any]:
    """Settings for a training of seconds; the landmark bundle's pixels are made as coarse as its poolings allow."""
    return {**SMALL, "spacing_mm": 0.54} if name == "knee_landmark_localization" else dict(SMALL)


def config(bundle: Path, name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((bundle / "configs" / name).read_text())
    return content


def start(bundle: Path, run_id: str, files: list[str], **overrides: Any) -> None:
    run(
        run_id=run_id,
        config_file=[str(bundle / "configs" / f) for f in files],
        meta_file=str(bundle / "configs" / "metadata.json"),
        bundle_root=str(bundle),
        **overrides,
    )


@pytest.mark.parametrize("key", SHARED_KEYS)
def test_training_and_inference_agree(bundle: Path, key: str) -> None:
    assert config(bundle, "train.json")[key] == config(bundle, "inference.json")[key]


def test_metadata_is_that_of_the_schema(bundle: Path, shared_data: Path, tmp_path: Path) -> None:
    verify_metadata(
        meta_file=str(bundle / "configs" / "metadata.json"),
        filepath=str(shared_data / "monai_metadata_schema_20240725.json"),
        create_dir=False,
    )


def test_the_network_answers_what_the_metadata_say(bundle: Path) -> None:
    parser = ConfigParser(config(bundle, "inference.json"))
    network = parser.get_parsed_content("network_def").eval()
    described = config(bundle, "metadata.json")["network_data_format"]
    image, pred = described["inputs"]["image"], described["outputs"]["pred"]
    height, width = image["spatial_shape"]
    region = parser["region_mm"] if isinstance(parser["region_mm"], list) else [parser["region_mm"]] * 2
    assert [round(r / parser["spacing_mm"]) for r in region] == [height, width]
    with torch.no_grad():
        answer = network(torch.zeros(1, image["num_channels"], height, width))
    assert answer.shape == (1, pred["num_channels"], *pred["spatial_shape"])


@pytest.mark.parametrize(("workflow", "files"), [("train", ["train.json"]), ("inference", ["inference.json"])])
def test_has_the_properties_that_monai_asks_for(bundle: Path, workflow: str, files: list[str], tmp_path: Path) -> None:
    flow = ConfigWorkflow(
        config_file=[str(bundle / "configs" / f) for f in files],
        meta_file=str(bundle / "configs" / "metadata.json"),
        workflow_type=workflow,
        logging_file=False,
        bundle_root=str(bundle),
        output_dir=str(tmp_path),
    )
    flow.initialize()
    assert not flow.check_properties()


def test_trains_without_data_and_goes_on_and_is_evaluated(bundle: Path, tmp_path: Path) -> None:
    settings = small(bundle.name)
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
    assert (tmp_path / "eval" / "metrics.csv").is_file()
    assert (tmp_path / "eval" / "cumulative_error.png").is_file()


@pytest.fixture
def data_set(tmp_path: Path) -> Path:
    """Four phantoms as a user's own data set."""
    from kneebundle.datasets.phantoms.samples import synthesize

    folder = tmp_path / "data"
    synthesize(folder, count=5, seed=1, size_mm=100.0, spacing_mm=0.6)
    return folder


def test_trains_on_a_folder(repository: Path, data_set: Path, tmp_path: Path) -> None:
    bundle = repository / "bundles" / "knee_landmark_localization"
    settings = small(bundle.name)
    start(bundle, "training", ["train.json"], dataset_dir=str(data_set), output_dir=str(tmp_path / "out"), **settings)
    assert (tmp_path / "out" / "model_last.pt").is_file()


def test_answers_every_image_of_a_folder_and_lists_the_others(repository: Path, data_set: Path, tmp_path: Path) -> None:
    bundle = repository / "bundles" / "knee_landmark_localization"
    images = data_set / "images"
    (images / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    Image.fromarray(np.zeros((10, 10), np.uint8)).save(images / "tiny.png")
    weights = tmp_path / "weights.pt"
    torch.manual_seed(0)
    parser = ConfigParser({"network": {**config(bundle, "inference.json")["network_def"], "width": 4}})
    torch.save(parser.get_parsed_content("network").state_dict(), weights)
    start(
        bundle,
        "evaluating",
        ["inference.json"],
        dataset_dir=str(data_set),
        output_dir=str(tmp_path / "out"),
        weights=str(weights),
        image_spacing_mm=0.6,
        **{"network_def#width": 4},
    )
    with (tmp_path / "out" / "landmarks.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 5 * 16
    assert list(rows[0]) == ["path", "landmark", "x_px", "y_px", "confidence"]
    refused = (tmp_path / "out" / "errors.csv").read_text()
    assert "broken.png" in refused and "tiny.png" in refused


def test_the_networks_input_and_targets_show_the_landmarks(repository: Path, data_set: Path) -> None:
    """Bright dots put at the landmarks are found, after all deterministic transforms, where the targets say."""
    bundle = repository / "bundles" / "knee_landmark_localization"
    parser = ConfigParser(config(bundle, "train.json"))
    record = next(r for r in knee_records(str(data_set), "training", fold=-1) if r["side"] == "L")
    assert record["side"] == "L"
    pixels = np.zeros((167, 167), np.uint8)
    for x, y in np.round(record["landmarks"]).astype(int):
        pixels[y - 2 : y + 3, x - 2 : x + 3] = 255
    Image.fromarray(pixels).save(record["image"])
    data: dict = LoadKneed()({**record, "landmarks": np.round(record["landmarks"])})
    for step in parser.get_parsed_content("region_transforms") + parser.get_parsed_content("point_transforms"):
        data = step(data)
    size = data["image"].shape[-1]
    assert size == 467
    for x, y in data["landmarks"].numpy() * size - 0.5:
        square = data["image"][0, round(y) - 6 : round(y) + 7, round(x) - 6 : round(x) + 7] > 0
        rows, columns = torch.nonzero(square, as_tuple=True)
        assert bool(square[6, 6])
        assert float(rows.float().mean()) - 6 + round(y) == pytest.approx(y, abs=1.0)
        assert float(columns.float().mean()) - 6 + round(x) == pytest.approx(x, abs=1.0)
    assert data["landmarks"][4].tolist() == pytest.approx([0.5, 0.5], abs=1e-4)
