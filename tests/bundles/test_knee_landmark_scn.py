"""The bundle of knee heatmaps through monai.bundle: both networks, bad data, inference, kneebundle's pipeline."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser

from kneebundle.errors import KneeBundleError
from kneebundle.networks.localization_unet import LocalizationUNet
from kneebundle.networks.scn import SpatialConfigurationNet
from kneebundle.phantoms.pa import synthesize_knees
from kneebundle.pipelines.knee_pa import KneePipeline
from kneebundle.pipelines.landmark_model import LandmarkModel
from kneebundle.radiograph import Radiograph
from kneebundle.transforms.roi import image_center_mm
from tests.bundles.bundle_runs import BUNDLES, config, read_metrics, start

SMALL = BUNDLES["knee_landmark_scn"].small
ALIKE = {key: SMALL[key] for key in ("spacing_mm", "features")}


@pytest.fixture
def bundle(repository: Path) -> Path:
    return repository / "bundles" / "knee_landmark_scn"


@pytest.fixture
def data_set(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    synthesize_knees(folder, count=5, seed=1, size_mm=100.0, spacing_mm=0.6)
    return folder


def change(table: Path, **cells: str) -> None:
    """Write the cells into every row of a table."""
    with table.open(newline="") as file:
        rows = [{**row, **cells} for row in csv.DictReader(file)]
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def network_of(bundle: Path, **settings: Any) -> Any:
    parser = ConfigParser(config(bundle, "inference.json"))
    parser.update(settings)
    return parser.get_parsed_content("network_def")


@pytest.mark.parametrize(("name", "kind"), [("scn", SpatialConfigurationNet), ("unet", LocalizationUNet)])
def test_either_network_gives_what_the_metadata_say(bundle: Path, name: str, kind: type[Any]) -> None:
    network = network_of(bundle, architecture=name, features=4).eval()
    assert isinstance(network, kind)
    described = config(bundle, "metadata.json")["network_data_format"]
    image, pred = described["inputs"]["image"], described["outputs"]["pred"]
    written = config(bundle, "inference.json")
    assert image["spatial_shape"] == [round(written["region_mm"] / written["spacing_mm"])] * 2
    with torch.no_grad():
        output = network(torch.zeros(1, image["num_channels"], *image["spatial_shape"]))
    assert output.shape == (1, pred["num_channels"], *pred["spatial_shape"])


def test_the_spatial_configuration_sees_the_same_millimetres_at_every_pixel_size(bundle: Path) -> None:
    """So that weights of a coarse training start a fine one."""
    coarse, fine = (network_of(bundle, spacing_mm=140.0 / side, features=4) for side in (128, 256))
    assert coarse.state_dict().keys() == fine.state_dict().keys()
    maps = [network.down(torch.zeros(1, 16, side, side)) for network, side in ((coarse, 128), (fine, 256))]
    assert maps[0].shape == maps[1].shape == (1, 16, 16, 16)


def test_the_baseline_trains_and_is_evaluated_by_one_option(bundle: Path, tmp_path: Path) -> None:
    settings = {**SMALL, "architecture": "unet"}
    start(bundle, "training", ["train.json"], output_dir=str(tmp_path), **settings)
    weights = torch.load(tmp_path / "model_last.pt", weights_only=True)
    assert weights and all(name.startswith("unet.") for name in weights)
    evaluation = {"output_dir": str(tmp_path / "eval"), "weights": str(tmp_path / "model_last.pt")}
    start(bundle, "evaluating", ["train.json", "evaluate.json"], **evaluation, **settings)
    metrics = read_metrics(tmp_path / "eval")
    assert 0 <= metrics["pck_2mm"] <= 100
    assert 0 < metrics["median_error_mm"] < 140 * 2**0.5, "a point of the region of 140 mm"


@pytest.mark.parametrize("learn_sigma", [True, False])
def test_the_losss_sigmas_are_trained_and_saved_only_where_they_are_learnt(
    bundle: Path, tmp_path: Path, learn_sigma: bool
) -> None:
    start(bundle, "training", ["train.json"], output_dir=str(tmp_path), learn_sigma=learn_sigma, **SMALL)
    checkpoint = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    sigma = checkpoint["loss"]["latent_sigma"]
    assert sigma.shape == (16,)
    assert bool((sigma != sigma[0]).any()) == learn_sigma
    assert (tmp_path / "heatmaps").is_dir(), "pictures of the two factors and their product"


def test_a_knee_with_points_outside_the_image_trains(bundle: Path, data_set: Path, tmp_path: Path) -> None:
    change(data_set / "landmarks.csv", x0="-400", y15="9000")
    start(bundle, "training", ["train.json"], dataset_dir=str(data_set), output_dir=str(tmp_path / "out"), **SMALL)
    weights = torch.load(tmp_path / "out" / "model_last.pt", weights_only=True)
    assert all(bool(value.isfinite().all()) for value in weights.values())
    bias = weights["configuration.last.bias"]  # has a part in its own landmark's map alone
    assert float(bias[0]) == float(bias[15]) == 0.0, "what cannot be seen is not learnt"
    assert bool((bias[1:15] != 0).all())


@pytest.mark.parametrize("column", ["x15", "x16"])
def test_another_number_of_landmarks_is_an_error(bundle: Path, data_set: Path, tmp_path: Path, column: str) -> None:
    table = data_set / "landmarks.csv"
    if column == "x15":
        table.write_text(table.read_text().replace("x15", "other"))
    else:
        change(table, x16="1", y16="1")
    with pytest.raises(RuntimeError) as caught:
        start(bundle, "training", ["train.json"], dataset_dir=str(data_set), output_dir=str(tmp_path), **SMALL)
    error: BaseException = caught.value
    while error.__cause__ is not None:
        error = error.__cause__
    assert isinstance(error, KneeBundleError)
    assert "landmarks.csv" in str(error)
    assert "x15" in str(error)


@pytest.fixture
def small_weights(bundle: Path, tmp_path: Path) -> Path:
    torch.manual_seed(0)
    network = network_of(bundle, **ALIKE)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    torch.save(network.state_dict(), tmp_path / "weights.pt")
    return tmp_path / "weights.pt"


def test_inference_writes_a_row_a_landmark_and_lists_what_it_cannot_read(
    bundle: Path, data_set: Path, small_weights: Path, tmp_path: Path
) -> None:
    (data_set / "images" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    folders = {"dataset_dir": str(data_set), "output_dir": str(tmp_path / "out"), "weights": str(small_weights)}
    start(bundle, "evaluating", ["inference.json"], **folders, **ALIKE)
    with (tmp_path / "out" / "landmarks.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 5 * 16
    assert list(rows[0]) == ["path", "landmark", "x_px", "y_px", "confidence"]
    assert all(0 < float(row["confidence"]) <= 1 for row in rows)
    assert "broken.png" in (tmp_path / "out" / "errors.csv").read_text()


class Brightness(torch.nn.Module):
    """A heatmap network without training: every map is the image's brightness."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return image.clamp_min(0).expand(-1, 16, -1, -1)


def test_a_heatmap_bundle_serves_the_pipeline(bundle: Path, small_weights: Path) -> None:
    """A bright square is found where it lies in the radiograph, in mm, on a right knee and on a mirrored left one."""
    model = LandmarkModel(bundle, torch.device("cpu"), [small_weights], ALIKE)
    model.networks = [Brightness()]
    pixels = np.zeros((200, 180))
    pixels[70:91, 110:131] = 1.0  # about (120, 80)
    for side in ("R", "L"):
        image = Radiograph(pixels, (0.6, 0.5), side=side).to_metatensor()
        item = {"image": image, "center_mm": image_center_mm(image), "side": side}
        found = model.locate([item])[0]
        assert found.shape == (16, 3)
        np.testing.assert_allclose(found[:, :2], np.tile([60.0, 48.0], (16, 1)), atol=1.0)


def test_weights_of_the_other_network_are_an_error(bundle: Path, small_weights: Path) -> None:
    with pytest.raises(KneeBundleError, match="do not fit"):
        LandmarkModel(bundle, torch.device("cpu"), [small_weights], {**ALIKE, "architecture": "unet"})


def test_the_shipped_weights_find_a_drawn_knee_that_they_have_never_seen(repository: Path) -> None:
    with (repository / "samples" / "knees" / "truth.csv").open() as file:
        truth = next(row for row in csv.DictReader(file) if row["image"] == "knee_R_kl0.png")
    points = np.array([float(truth[f"{axis}{i}"]) for i in range(16) for axis in "xy"]).reshape(-1, 2)
    pipeline = KneePipeline.from_bundles(device="cpu", landmark_bundle="knee_landmark_scn")
    pipeline.landmarks.networks = pipeline.landmarks.networks[:1]
    path = repository / "samples" / "knees" / truth["image"]
    knee = pipeline.predict(path, side="R", spacing_mm=float(truth["spacing_mm"])).knees[0]
    assert knee.landmarks is not None
    errors = np.linalg.norm(knee.landmarks.points - points, axis=1) * float(truth["spacing_mm"])
    assert errors.mean() < 2.0
