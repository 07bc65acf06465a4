"""Curves, pictures and the progress bar of an evaluation."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ignite.handlers import ProgressBar
from monai.data import DataLoader, Dataset
from monai.engines import SupervisedEvaluator
from monai.handlers import IgniteMetricHandler, from_engine

from kneebundle.metrics import RadialError
from kneebundle.training import CumulativeErrorPlot, LandmarkImageLogger, draw_landmarks, save_error_curves

TRUTH = torch.tensor([[0.25, 0.75], [0.5, 0.5]])


class Shifted(torch.nn.Module):
    """Answers the two points, the first of them 0.5 to the right."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return (TRUTH + torch.tensor([[0.5, 0.0], [0.0, 0.0]])).expand(len(image), 2, 2)


def evaluate(handlers: list[Any]) -> SupervisedEvaluator:
    samples = [{"image": torch.rand(1, 8, 16), "label": TRUTH} for _ in range(3)]
    metric = IgniteMetricHandler(RadialError(), output_transform=from_engine(["pred", "label"]))
    evaluator = SupervisedEvaluator(
        device="cpu",
        val_data_loader=DataLoader(Dataset(samples), batch_size=2),
        network=Shifted(),
        key_val_metric={"error": metric},
        val_handlers=handlers,
    )
    evaluator.run(global_epoch=5)
    return evaluator


def test_the_curve_is_saved_as_a_picture_and_a_table(tmp_path: Path) -> None:
    evaluate([CumulativeErrorPlot(tmp_path / "out" / "curve", {"all": "error"}, limit_mm=1.0)])
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["curve.csv", "curve.png"]
    with (tmp_path / "out" / "curve.csv").open() as file:
        rows = {float(row["radius_mm"]): float(row["all"]) for row in csv.DictReader(file)}
    assert rows[0.0] == 50.0
    assert rows[0.496] == 50.0
    assert rows[0.5] == 100.0
    assert (tmp_path / "out" / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_curves_of_chosen_landmarks_stand_side_by_side(tmp_path: Path) -> None:
    errors = {"before": np.array([[3.0, 0.0]]), "after": np.array([[1.0, 0.0]])}
    _, table = save_error_curves(errors, tmp_path / "c", landmarks=[0], limit_mm=4.0, points=5)
    lines = table.read_text().split()
    assert lines[0] == "radius_mm,before,after"
    assert lines[2:5] == ["1.0000,0.0000,100.0000", "2.0000,0.0000,100.0000", "3.0000,100.0000,100.0000"]


def test_a_curve_of_an_unknown_metric_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no landmark metric 'pck'"):
        evaluate([CumulativeErrorPlot(tmp_path / "curve", {"all": "pck"})])


class Writer:
    def __init__(self) -> None:
        self.images: list[tuple[str, np.ndarray, int]] = []

    def add_image(self, tag: str, image: np.ndarray, step: int, dataformats: str) -> None:
        assert dataformats == "HWC"
        self.images.append((tag, image, step))

    def flush(self) -> None: ...


def is_red(picture: np.ndarray, x: float, y: float) -> bool:
    """Whether a pixel that (x, y) touches is red."""
    around = picture[int(y) : int(np.ceil(y)) + 1, int(x) : int(np.ceil(x)) + 1]
    return bool((around == [255, 70, 70]).all(-1).any())


def test_one_picture_a_validation_shows_the_points_where_they_are() -> None:
    writer = Writer()
    evaluate([LandmarkImageLogger(summary_writer=writer, max_images=2, height=80)])
    ((tag, picture, step),) = writer.images
    assert (tag, step) == ("landmarks", 5)
    assert picture.shape == (80, 320, 3)  # two images of 8 x 16, enlarged tenfold
    for left in (0, 160):
        assert is_red(picture, left + 0.75 * 160 - 0.5, 0.75 * 80 - 0.5)  # predicted
        assert is_red(picture, left + 0.50 * 160 - 0.5, 0.75 * 80 - 0.5)  # on the line from the label to it
        assert not is_red(picture, left + 0.25 * 160 - 0.5, 0.25 * 80 - 0.5)


def test_points_are_drawn_in_pixels_of_the_image_and_missing_ones_left_out() -> None:
    nothing = np.full((1, 2), np.nan)
    point = np.array([[3.0, 5.0]])
    predicted = draw_landmarks(np.zeros((8, 8)), point, nothing, height=80)
    assert is_red(predicted, 34.5, 54.5)
    labelled = draw_landmarks(np.zeros((8, 8)), nothing, point, height=80)
    green = np.argwhere((labelled == [80, 220, 100]).all(-1))
    assert green.mean(0) == pytest.approx([54.5, 34.5], abs=0.6)
    assert not draw_landmarks(np.zeros((8, 8)), nothing, nothing).any()


def test_the_picture_reaches_tensorboard(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    logger = LandmarkImageLogger(log_dir=str(tmp_path), height=16)
    evaluate([logger])
    logger.close()
    events = EventAccumulator(str(tmp_path)).Reload()
    assert [event.step for event in events.Images("landmarks")] == [5]


def test_the_progress_bar_is_a_handler_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    evaluate([ProgressBar(desc="validation")])
    assert "validation" in capsys.readouterr().err
