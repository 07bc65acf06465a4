"""What stage 1 learns from: windows of 384 x 256 mm of whole radiographs, each with the one joint to be found."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from kneebundle.training.film_windows import (
    TrainingFilm,
    TrainingKnee,
    change_looks,
    cut_window,
    normalize_window,
    to_window,
)

__all__ = ["JOINT_SIZE", "JointWindow", "draw_joint_window"]

JOINT_SIZE = (384, 256)
"""Rows and columns of a window at 1 mm."""

_REACH = np.array([100.0, 160.0])  # farthest that a joint lies from the middle of its window
_HALVED = 0.35  # share of windows that show a half of a radiograph, as those of bilateral ones are
_NATIVE = 0.9  # share of windows in which native knees go first: a replaced joint has no exact place
_OTHER_LOOKS = 0.6


class JointWindow(NamedTuple):
    """One window.

    Attributes:
        image: (384, 256) in [-1, 1].
        joint: (2,) x and y as fractions of the window, as the network gives them.
    """

    image: torch.Tensor
    joint: np.ndarray


def draw_joint_window(film: TrainingFilm, rng: np.random.Generator, augment: bool = True) -> JointWindow:
    """Draw a window around one knee of a radiograph.

    Where the other knee would be as near to the middle, the radiograph is cut between them: stage 1 names the one joint
    that a window shows.

    Args:
        film: with at least one knee.
        rng: draws everything.
        augment: anywhere, turned, scaled and in other looks; without: the half of the radiograph, as it is.
    """
    knees = [knee for knee in film.knees if knee.kind != "implant"]
    if not knees or not augment or rng.random() > _NATIVE:
        knees = list(film.knees)
    knee = knees[int(rng.integers(len(knees)))]
    angle = float(np.clip(rng.normal(0, 4), -12, 12)) if augment else 0.0
    scale = float(np.exp(rng.uniform(-0.22, 0.22))) if augment else 1.0
    if not augment:
        center, columns = _choose_half(film, knee, 0.5 * film.pixels.shape[1], rng)
        if abs(center[1] - knee.joint[1]) > 170:
            center = np.array([center[0], knee.joint[1] + 60])
    elif rng.random() < _HALVED:
        center, columns = _choose_half(film, knee, None, rng)
        center = center + rng.normal(0, 8, 2)
    else:
        center, columns = _choose_place(film, knee, rng)
    window = cut_window(film.pixels, center, JOINT_SIZE, angle, scale, columns)
    joint = (to_window(knee.joint[None], center, JOINT_SIZE, angle, scale)[0] + 0.5) / np.array(JOINT_SIZE[::-1])
    if not augment:
        return JointWindow(normalize_window(window), joint)
    upper = 99.0 if rng.random() < 0.7 else rng.uniform(94, 99.7)
    image = normalize_window(window, 1.0, upper)
    if rng.random() < _OTHER_LOOKS:
        image = change_looks(image, rng)
    if rng.random() < 0.5:
        image, joint = image.flip(-1), np.array([1 - joint[0], joint[1]])
    return JointWindow(image, joint)


def _choose_half(
    film: TrainingFilm, knee: TrainingKnee, cut: float | None, rng: np.random.Generator
) -> tuple[np.ndarray, tuple[float, float] | None]:
    """The middle of a knee's half and its columns; of the whole radiograph where there is one knee."""
    rows, columns = film.pixels.shape
    if len(film.knees) == 2:
        other = next(k for k in film.knees if k is not knee)
        if cut is None:
            cut = (knee.joint[0] + other.joint[0]) / 2 + rng.normal(0, 8)
        half = (0.0, cut - 1) if knee.joint[0] < other.joint[0] else (cut, float(columns))
        return np.array([sum(half) / 2, rows / 2]), half
    center = np.array([columns / 2, rows / 2])
    if (np.abs(center - knee.joint) > _REACH + (5, 10)).any():
        center = knee.joint + rng.normal(0, 25, 2)
    return center, None


def _choose_place(
    film: TrainingFilm, knee: TrainingKnee, rng: np.random.Generator
) -> tuple[np.ndarray, tuple[float, float] | None]:
    """The middle of a window anywhere around a knee, and where the radiograph is cut lest another be as near."""
    spread = np.array([52.0, 75.0]) * (1.0 if rng.random() < 0.5 else 0.3)
    center = knee.joint + np.clip(rng.normal(0, spread), -_REACH, _REACH)
    columns: tuple[float, float] | None = None
    for other in (k.joint for k in film.knees if k is not knee):
        seen = bool((np.abs(other - center) < np.array(JOINT_SIZE[::-1]) / 2).all())
        farther = float(np.linalg.norm(other - center) - np.linalg.norm(knee.joint - center))
        if seen and farther < 60:
            cut = (knee.joint[0] + other[0]) / 2 + rng.normal(0, 8)
            columns = (0.0, cut) if knee.joint[0] < other[0] else (cut, float(film.pixels.shape[1]))
    return center, columns
