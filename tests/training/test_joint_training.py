"""Stage 1 on whole radiographs: where the joint lies in a window, the loop, and the errors."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.ndimage import uniform_filter

from kneebundle.errors import KneeBundleError
from kneebundle.networks.hourglass import HourglassLandmarkNet
from kneebundle.training.averaged_training import TrainingPlan
from kneebundle.training.film_windows import TrainingFilm, TrainingKnee
from kneebundle.training.joint_training import (
    draw_held_out_windows,
    format_joint_errors,
    measure_joint_errors,
    train_joint_finder,
)
from kneebundle.training.joint_windows import JOINT_SIZE, draw_joint_window


def _film(*joints: tuple[float, float], size: tuple[int, int] = (300, 400)) -> TrainingFilm:
    """Dark, with a bright disc of 20 pixels at each joint."""
    y, x = np.mgrid[: size[0], : size[1]]
    pixels = np.full(size, 60, np.uint8)
    for jx, jy in joints:
        pixels[np.hypot(x - jx, y - jy) < 20] = 250
    knees = tuple(TrainingKnee("RL"[i], "native", np.array([joint])) for i, joint in enumerate(joints))
    return TrainingFilm(pixels, knees)


def _brightest(image: torch.Tensor) -> tuple[np.ndarray, int]:
    """The middle of what is bright, as fractions, and how many pixels are."""
    rows, columns = torch.nonzero(image > 0.9, as_tuple=True)
    middle = np.array([float(columns.double().mean()), float(rows.double().mean())])
    return (middle + 0.5) / np.array(JOINT_SIZE[::-1]), len(rows)


def test_the_joint_lies_where_the_window_says() -> None:
    film = _film((120.0, 140.0), (290.0, 150.0))
    for window in draw_held_out_windows([film] * 6):
        assert window.image.shape == JOINT_SIZE
        middle, count = _brightest(window.image)
        assert 1100 < count < 1400  # one joint, not two
        assert np.abs((middle - window.joint) * JOINT_SIZE[::-1]).max() < 0.5


def test_changed_windows_show_the_joint_where_they_say() -> None:
    film = _film((200.0, 150.0))
    near = 0
    for seed in range(24):
        window = draw_joint_window(film, np.random.default_rng(seed))
        assert (window.joint > 0).all() and (window.joint < 1).all()
        blurred = uniform_filter(window.image.numpy(), 37)
        row, column = np.unravel_index(int(blurred.argmax()), JOINT_SIZE)
        found = (np.array([column, row]) + 0.5) / np.array(JOINT_SIZE[::-1])
        near += bool(np.linalg.norm((found - window.joint) * JOINT_SIZE[::-1]) < 4)
    assert near > 18  # but for inverted ones


def test_two_joints_as_near_to_the_middle_are_parted() -> None:
    film = _film((150.0, 150.0), (250.0, 150.0))
    for seed in range(40):
        window = draw_joint_window(film, np.random.default_rng(seed))
        assert (window.image == 0).any()


def test_training_resumes_to_the_same_weights(tmp_path: Path) -> None:
    made, real = [_film((120.0, 140.0), (290.0, 150.0))], [_film((200.0, 150.0))]
    plan = TrainingPlan(2, 1e-3, save_every=1)

    def network() -> HourglassLandmarkNet:
        torch.manual_seed(0)
        return HourglassLandmarkNet(1, width=4, depth=2, dropout=0.0, beta=10.0)

    class Stop(Exception):
        pass

    def stop(*_: Any) -> None:
        raise Stop

    options: dict[str, Any] = {"batch_size": 1, "precision": None, "real_share": 0.5}
    whole = train_joint_finder(network(), made, real, tmp_path / "whole", plan, **options)
    with pytest.raises(Stop):
        train_joint_finder(network(), made, real, tmp_path / "parts", plan, report=stop, **options)
    again = train_joint_finder(network(), made, real, tmp_path / "parts", plan, **options)
    for name, value in whole.items():
        torch.testing.assert_close(again[name], value)


def test_there_have_to_be_made_films(tmp_path: Path) -> None:
    with pytest.raises(KneeBundleError, match="no made radiographs"):
        train_joint_finder(torch.nn.Conv2d(1, 1, 1), [], [], tmp_path, TrainingPlan(1, 1e-3))


def test_errors_are_in_mm() -> None:
    windows = draw_held_out_windows([_film((200.0, 150.0))])

    class Beside(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))

        def forward(self, image: torch.Tensor, with_confidence: bool) -> torch.Tensor:
            x, y = windows[0].joint + np.array([3.0, 4.0]) / JOINT_SIZE[::-1]
            return torch.tensor([[[x, y, 0.5]]])

    errors = measure_joint_errors(Beside(), windows)
    assert errors == pytest.approx([5.0], abs=1e-3)
    assert "outliers 0.00 %, mean 5.00 mm" in format_joint_errors(errors)


@pytest.mark.parametrize("joint", [(150.0, 60.0), (150.0, 740.0)])
def test_the_window_of_a_long_film_goes_to_its_joint(joint: tuple[float, float]) -> None:
    for augment in (True, False):
        window = draw_joint_window(_film(joint, size=(800, 300)), np.random.default_rng(0), augment)
        assert ((window.joint > 0) & (window.joint < 1)).all(), augment
