"""Bent hands: image and points move together, bones stay straight, what cannot be bent is only moved."""

import numpy as np
import pytest
import torch

from kneebundle.measurements.hand_shape import load_hand_shape, place_on
from kneebundle.transforms.hand_warp import RandHandWarpd, place_anchors, warp_onto

SIZE = np.array([96, 128])


@pytest.fixture
def points() -> np.ndarray:
    """The mean hand in an image of 128 x 96 pixels."""
    mean = load_hand_shape().mean
    return (mean - mean.min(axis=0)) / np.ptp(mean, axis=0).max() * 104 + 10


def dots(points: np.ndarray, chosen: tuple[int, ...]) -> torch.Tensor:
    y, x = np.mgrid[: SIZE[1], : SIZE[0]]
    spots = [np.exp(-((x - points[i, 0]) ** 2 + (y - points[i, 1]) ** 2) / 8) for i in chosen]
    return torch.from_numpy(np.max(spots, axis=0)).float()[None] * 2 - 1


def test_nothing_moves_onto_itself(points: np.ndarray) -> None:
    image = torch.rand(1, 128, 96)
    anchors = place_anchors(points, points)
    assert warp_onto(image, anchors, anchors).numpy() == pytest.approx(image.numpy(), abs=1e-3)


def test_anchors_of_a_turned_hand_are_the_turned_anchors(points: np.ndarray) -> None:
    angle = np.deg2rad(25)
    matrix = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    assert place_anchors(points @ matrix, points) == pytest.approx(place_anchors(points, points) @ matrix)


def test_bright_dots_at_landmarks_are_found_where_the_points_say(points: np.ndarray) -> None:
    chosen = (4, 17, 20, 28, 36)
    data = {"image": dots(points, chosen), "landmarks": torch.from_numpy((points + 0.5) / SIZE)}
    found = []
    for seed in range(6):
        warp = RandHandWarpd("image", prob=1.0, rotate_deg=10.0)
        warp.set_random_state(seed)
        answer = warp(data)
        bright = answer["image"][0].numpy()
        for x, y in answer["landmarks"].numpy()[list(chosen)] * SIZE - 0.5:
            row, column = round(float(y)), round(float(x))
            if not (4 <= row < SIZE[1] - 4 and 4 <= column < SIZE[0] - 4):
                continue
            window = bright[row - 4 : row + 5, column - 4 : column + 5].clip(0)
            v, u = np.mgrid[-4:5, -4:5]
            middle = np.array([(window * u).sum(), (window * v).sum()]) / max(float(window.sum()), 1e-6)
            found.append(np.linalg.norm(middle + (column - x, row - y)))
    assert len(found) > 15
    assert np.median(found) < 0.3 and max(found) < 1.5


def test_the_whole_way_is_the_drawn_shape(points: np.ndarray) -> None:
    warp = RandHandWarpd("image", prob=1.0, rotate_deg=0.0, scale=(1.0, 1.0), stretch=0.0)
    warp.set_random_state(5)
    warp.randomize()
    wanted = points + warp._part * (place_on(warp._shape, points) - points)
    warp.set_random_state(5)
    moved = warp({"image": torch.zeros(1, 128, 96), "landmarks": torch.from_numpy((points + 0.5) / SIZE)})["landmarks"]
    shift = moved.numpy() * SIZE - 0.5 - wanted
    assert np.ptp(shift, axis=0) == pytest.approx([0.0, 0.0], abs=1e-3)


def test_a_hand_with_a_missing_label_is_moved_but_not_bent(points: np.ndarray) -> None:
    points[7] = np.nan
    warp = RandHandWarpd("image", prob=1.0, rotate_deg=0.0, scale=(0.8, 0.8), stretch=0.0)
    warp.set_random_state(2)
    moved = warp({"image": torch.zeros(1, 128, 96), "landmarks": torch.from_numpy((points + 0.5) / SIZE)})["landmarks"]
    there = moved.numpy() * SIZE - 0.5
    assert np.isnan(there[7]).all()
    shift = np.delete(there - 0.8 * points, 7, axis=0)
    assert np.ptp(shift, axis=0) == pytest.approx([0.0, 0.0], abs=1e-3)


def test_the_same_state_gives_the_same_hand(points: np.ndarray) -> None:
    data = {"image": dots(points, (20,)), "landmarks": torch.from_numpy((points + 0.5) / SIZE)}
    answers = []
    for _ in range(2):
        warp = RandHandWarpd("image")
        warp.set_random_state(9)
        answers.append(warp(data))
    assert torch.equal(answers[0]["image"], answers[1]["image"])
    assert torch.equal(answers[0]["landmarks"], answers[1]["landmarks"])
