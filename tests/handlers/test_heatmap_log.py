"""Pictures of heatmaps: drawn when asked for, of the right landmark, showing where the map is high."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.data import DataLoader, Dataset
from monai.engines import SupervisedEvaluator

from kneebundle.handlers.heatmap_log import HeatmapComponentsLogger, compute_heatmap_components, draw_heatmaps
from kneebundle.inferers.landmarks import HeatmapInferer
from kneebundle.networks.localization_unet import LocalizationUNet
from kneebundle.networks.scn import SpatialConfigurationNet


class Writer:
    def __init__(self) -> None:
        self.images: list[tuple[str, np.ndarray, int]] = []

    def add_image(self, tag: str, image: np.ndarray, step: int, dataformats: str) -> None:
        assert dataformats == "HWC"
        self.images.append((tag, image, step))

    def flush(self) -> None: ...


def scn(spatial_dims: int = 2) -> SpatialConfigurationNet:
    torch.manual_seed(0)
    return SpatialConfigurationNet(
        spatial_dims, 1, 3, features=4, levels=2, spatial_features=4, spatial_downsampling=4, spatial_kernel=3
    )


def evaluator(network: torch.nn.Module, handler: HeatmapComponentsLogger, size: tuple[int, ...]) -> SupervisedEvaluator:
    samples = [{"image": torch.rand(1, *size), "label": torch.rand(3, len(size))} for _ in range(3)]
    return SupervisedEvaluator(
        device=torch.device("cpu"),
        val_data_loader=DataLoader(Dataset(samples), batch_size=2),
        network=network,
        inferer=HeatmapInferer(memory_format="contiguous"),
        val_handlers=[handler],
        decollate=False,
    )


@pytest.mark.parametrize(
    ("network", "size"),
    [(scn(), (32, 48)), (scn(3), (16, 24, 32)), (LocalizationUNet(2, 1, 3, features=4), (32, 48))],
    ids=["scn", "scn 3-D", "unet"],
)
def test_every_chosen_validation_has_one_picture_and_one_file(
    tmp_path: Path, network: torch.nn.Module, size: tuple[int, ...]
) -> None:
    writer = Writer()
    logger = HeatmapComponentsLogger(tmp_path / "maps", writer, tag="maps", landmark=2, interval=2, height=120)
    engine = evaluator(network.train(), logger, size)
    for epoch in (1, 2, 3):
        engine.run(global_epoch=epoch)
    assert [(tag, step) for tag, _, step in writer.images] == [("maps", 1), ("maps", 3)]
    assert sorted(path.name for path in (tmp_path / "maps").iterdir()) == ["maps_0001.png", "maps_0003.png"]
    picture = writer.images[0][1]
    assert picture.dtype == np.uint8 and picture.shape[0] == 120 and picture.shape[2] == 3
    panels = 3 if isinstance(network, SpatialConfigurationNet) else 1
    assert picture.shape[1] == pytest.approx(120 * panels * size[-1] / size[-2], abs=2)
    assert network.training


def test_without_a_folder_only_tensorboard_gets_the_picture(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    logger = HeatmapComponentsLogger(log_dir=str(tmp_path), height=60)
    evaluator(scn(), logger, (16, 16)).run(global_epoch=5)
    logger.close()
    events = EventAccumulator(str(tmp_path)).Reload()
    assert [event.step for event in events.Images("heatmaps")] == [5]
    assert not list(tmp_path.glob("*.png"))


def test_components_are_those_of_the_network() -> None:
    image = torch.rand(1, 1, 16, 16)
    network = scn().eval()
    maps = compute_heatmap_components(network, image)
    assert list(maps) == ["local appearance", "spatial configuration", "product"]
    torch.testing.assert_close(list(maps.values()), [value.detach() for value in network.components(image)])
    unet = LocalizationUNet(2, 1, 3, features=4).eval()
    torch.testing.assert_close(compute_heatmap_components(unet, image), {"heatmap": unet(image).detach()})


def colours_at(picture: np.ndarray, x: float, y: float, size: int) -> Any:
    """The colour where pixel (x, y) of a square image stands, in a picture of one panel without its title."""
    rows, columns = np.nonzero((picture != 255).any(-1))
    top, left = rows.min(), columns.min()
    zoom = (columns.max() + 1 - left) / size
    bottom = rows.max() + 1 - size * zoom
    assert bottom >= top
    return picture[round(bottom + (y + 0.5) * zoom), round(left + (x + 0.5) * zoom)].astype(int)


def test_positive_is_red_negative_blue_and_nothing_clear() -> None:
    heatmap = np.zeros((10, 10))
    heatmap[2, 3], heatmap[7, 6] = 2.0, -2.0
    image = np.full((10, 10), 5.0)
    image[0, 0] = 200.0  # so that the rest is black
    picture = draw_heatmaps(image, {"map": heatmap}, height=300)
    red, blue, clear = (colours_at(picture, x, y, 10) for x, y in ((3, 2), (6, 7), (8, 2)))
    assert red[0] > 150 and red[2] < 50
    assert blue[2] > 150 and blue[0] < 50
    assert clear.max() < 10


def test_missing_points_and_numbers_are_left_out() -> None:
    heatmap = np.full((10, 10), np.nan)
    image = np.zeros((10, 10))
    without = draw_heatmaps(image, {"map": heatmap}, np.array([np.nan, 3.0]), height=100)
    np.testing.assert_array_equal(without, draw_heatmaps(image, {"map": heatmap}, height=100))
    marked = draw_heatmaps(image, {"map": heatmap}, np.array([4.0, 3.0]), height=100)
    assert (marked != without).any()
