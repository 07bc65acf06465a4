"""Pictures of predicted and true points."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kneebundle.handlers.image_log import LandmarkImageLogger, draw_landmarks
from tests.handlers.shifted_points import evaluate


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
