"""The two bundles of KNEEL through monai.bundle: training on a folder, inference, and where points lie."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser
from PIL import Image

from kneebundle.datasets.knees import LoadKneed, read_knees
from tests.bundles.bundle_runs import BUNDLES, config, start


@pytest.fixture(params=("knee_landmark_localization", "knee_roi_localization"))
def bundle(request: pytest.FixtureRequest, repository: Path) -> Path:
    return repository / "bundles" / request.param


def test_the_network_gives_what_the_metadata_say(bundle: Path) -> None:
    parser = ConfigParser(config(bundle, "inference.json"))
    network = parser.get_parsed_content("network_def").eval()
    described = config(bundle, "metadata.json")["network_data_format"]
    image, pred = described["inputs"]["image"], described["outputs"]["pred"]
    height, width = image["spatial_shape"]
    region = parser["region_mm"] if isinstance(parser["region_mm"], list) else [parser["region_mm"]] * 2
    assert [round(r / parser["spacing_mm"]) for r in region] == [height, width]
    with torch.no_grad():
        output = network(torch.zeros(1, image["num_channels"], height, width))
    assert output.shape == (1, pred["num_channels"], *pred["spatial_shape"])


@pytest.fixture
def data_set(tmp_path: Path) -> Path:
    """Five phantoms as a user's own data set."""
    from kneebundle.phantoms.pa import synthesize_knees

    folder = tmp_path / "data"
    synthesize_knees(folder, count=5, seed=1, size_mm=100.0, spacing_mm=0.6)
    return folder


def test_trains_on_a_folder(repository: Path, data_set: Path, tmp_path: Path) -> None:
    bundle = repository / "bundles" / "knee_landmark_localization"
    settings = {**BUNDLES[bundle.name].small, "phantom_size": 2}
    start(bundle, "training", ["train.json"], dataset_dir=str(data_set), output_dir=str(tmp_path / "out"), **settings)
    checkpoint = torch.load(tmp_path / "out" / "checkpoint.pt", weights_only=True)
    assert checkpoint["trainer"]["epoch_length"] == 2, (
        "four of the folder's five knees in pairs, and none that is drawn"
    )
    weights = torch.load(tmp_path / "out" / "model_last.pt", weights_only=True)
    assert all(bool(value.isfinite().all()) for value in weights.values())


def test_predicts_on_every_image_of_a_folder_and_lists_the_others(
    repository: Path, data_set: Path, tmp_path: Path
) -> None:
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
    errors = (tmp_path / "out" / "errors.csv").read_text()
    assert "broken.png" in errors and "tiny.png" in errors


def test_the_networks_input_and_targets_show_the_landmarks(repository: Path, data_set: Path) -> None:
    """Bright dots put at the landmarks are found, after all deterministic transforms, where the targets say."""
    bundle = repository / "bundles" / "knee_landmark_localization"
    parser = ConfigParser(config(bundle, "train.json"))
    record = next(r for r in read_knees(data_set, "training", fold=-1) if r["side"] == "L")
    pixels = np.zeros((167, 167), np.uint8)
    for x, y in np.round(record["landmarks"]).astype(int):
        pixels[y - 2 : y + 3, x - 2 : x + 3] = 255
    Image.fromarray(pixels).save(record["image"])
    data: dict = LoadKneed()({**record, "landmarks": np.round(record["landmarks"])})
    for step in parser.get_parsed_content("region_transforms") + parser.get_parsed_content("point_transforms"):
        data = step(data)
    size = data["image"].shape[-1]
    assert size == 384
    for x, y in data["landmarks"].numpy() * size - 0.5:
        square = data["image"][0, round(y) - 6 : round(y) + 7, round(x) - 6 : round(x) + 7] > 0
        rows, columns = torch.nonzero(square, as_tuple=True)
        assert bool(square[6, 6])
        assert float(rows.float().mean()) - 6 + round(y) == pytest.approx(y, abs=1.0)
        assert float(columns.float().mean()) - 6 + round(x) == pytest.approx(x, abs=1.0)
    assert data["landmarks"][4].tolist() == pytest.approx([0.5, 0.5], abs=1e-4)
