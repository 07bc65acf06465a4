"""Constrained local model: a linear patch expert for each landmark, and regularised landmark mean shift.

Saragih, Lucey and Cohn, International Journal of Computer Vision 91 (2011), with their patch experts, logistic
regression on a patch, here of gradient orientations or local binary patterns instead of grey values.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kneebundle.shape_models.appearance import CHANNELS, describe_pixels
from kneebundle.shape_models.frames import Frame, make_frame
from kneebundle.shape_models.matching import Match, Responses, climb_responses, start_in_middle
from kneebundle.shape_models.point_distribution import (
    IDENTITY,
    PointDistributionModel,
    fit_point_distribution,
    fit_pose,
)

__all__ = ["ConstrainedLocalModel", "PatchLevel", "count_weights", "train_constrained_local"]

_PATCH = np.arange(-10, 11, 2)
_NEAR_PX = 1.0


@dataclass(frozen=True)
class PatchLevel:
    """One resolution: pixels of the frame, how far a landmark is searched, the windows of the mean shift."""

    spacing_mm: float
    reach_mm: float
    widths_mm: tuple[float, ...]


LEVELS = (
    PatchLevel(1.2, 14.0, (10.0, 8.0, 6.0, 5.0, 4.0, 4.0)),
    PatchLevel(0.6, 5.0, (3.0, 2.5, 2.0, 1.5, 1.5)),
)


@dataclass(frozen=True)
class ConstrainedLocalModel:
    """A shape model and patch experts for each level.

    Attributes:
        shape: the point distribution model.
        experts: a level each, (N, F + 1): weights of a patch's features and a constant.
        features: what the patches show, see :data:`kneebundle.shape_models.FEATURES`.
    """

    shape: PointDistributionModel
    experts: tuple[np.ndarray, ...]
    features: str

    def match(self, region: np.ndarray, spacing_mm: float) -> Match:
        """Find the landmarks in a region, see :meth:`kneebundle.shape_models.RegressionVoting.match`."""
        match = start_in_middle(self.shape)
        for number, (level, experts) in enumerate(zip(LEVELS, self.experts, strict=True)):
            pose = IDENTITY if number == 0 else match.pose
            frame = make_frame(region, spacing_mm, pose, level.spacing_mm, _frame_size(self.shape, level))
            responses = self._respond(experts, level, frame, match.points)
            match = climb_responses(self.shape, responses, match, level.widths_mm)
        return match

    def _respond(self, experts: np.ndarray, level: PatchLevel, frame: Frame, points: np.ndarray) -> Responses:
        channels = describe_pixels(frame.pixels, self.features)
        middle = np.rint(frame.to_pixels(points)).astype(np.int64)
        reach = round(level.reach_mm / level.spacing_mm)
        steps = np.arange(-reach, reach + 1)
        x, y = middle[:, :1] + steps, middle[:, 1:] + steps
        values = np.empty((len(points), len(steps), len(steps)))
        for landmark, expert in enumerate(experts):
            columns, rows = np.meshgrid(x[landmark], y[landmark])
            patches = _cut_patches(channels, columns.ravel(), rows.ravel())
            values[landmark] = (1 / (1 + np.exp(-(patches @ expert[:-1] + expert[-1])))).reshape(len(steps), -1)
        return Responses(frame, x, y, values)


def _frame_size(shape: PointDistributionModel, level: PatchLevel) -> tuple[float, float]:
    reach = 1.15 * np.abs(shape.mean).max(0) + 2 * level.reach_mm + (_PATCH[-1] + 2) * level.spacing_mm
    return 2 * float(reach[1]), 2 * float(reach[0])


def _cut_patches(channels: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Features (P, F) of the patches around points, whole numbers (P,) each; beyond the border its pixels repeat."""
    offset_y, offset_x = (axis.ravel() for axis in np.meshgrid(_PATCH, _PATCH, indexing="ij"))
    rows = np.clip(y[:, None] + offset_y, 0, channels.shape[0] - 1)
    columns = np.clip(x[:, None] + offset_x, 0, channels.shape[1] - 1)
    return channels[rows, columns].reshape(len(x), -1)


def count_weights(features: str) -> int:
    """How many weights a landmark's expert has, its constant among them.

    Example:
        >>> count_weights("igo")
        243
    """
    return len(_PATCH) ** 2 * CHANNELS[features] + 1


def train_constrained_local(
    regions: np.ndarray,
    points: np.ndarray,
    spacing_mm: float,
    features: str = "igo",
    seed: int = 0,
    near: int = 4,
    far: int = 16,
    report: Callable[[str], None] = lambda _: None,
) -> ConstrainedLocalModel:
    """Train on regions with known landmarks.

    Args:
        regions: (M, H, W) of :func:`kneebundle.shape_models.even_contrast`.
        points: (M, N, 2) mm, origin in the middle of each region.
        spacing_mm: size of their pixels.
        features: see :data:`kneebundle.shape_models.FEATURES`.
        seed: of all that is drawn.
        near: patches within a pixel of each landmark.
        far: patches elsewhere.
        report: is told how far it is.
    """
    shape = fit_point_distribution(points)
    experts = []
    for number, level in enumerate(LEVELS):
        rng = np.random.default_rng([seed, number])
        shown, wanted = [], np.repeat([1, 0], [near, far])
        for region, true in zip(regions, points, strict=True):
            pose = fit_pose(shape.mean, true)
            frame = make_frame(region, spacing_mm, pose, level.spacing_mm, _frame_size(shape, level))
            channels = describe_pixels(frame.pixels, features)
            offsets = _draw_offsets(rng, len(true), near, far, level.reach_mm / level.spacing_mm)
            asked = np.rint(frame.to_pixels(true)[:, None] + offsets).astype(np.int64).reshape(-1, 2)
            shown.append(_cut_patches(channels, asked[:, 0], asked[:, 1]).reshape(len(true), near + far, -1))
        material = np.stack(shown, axis=1)
        experts.append(np.stack([_learn_expert(m, np.tile(wanted, len(regions))) for m in material]))
        report(f"level {number + 1} of {len(LEVELS)}: {experts[-1].shape[1]} weights a landmark")
    return ConstrainedLocalModel(shape, tuple(experts), features)


def _draw_offsets(rng: np.random.Generator, landmarks: int, near: int, far: int, reach: float) -> np.ndarray:
    """Where patches are cut: (N, near + far, 2) pixels from the landmark, the far ones more than two pixels away."""
    close = rng.uniform(-_NEAR_PX, _NEAR_PX, (landmarks, near, 2)) / 2
    angle = rng.uniform(0, 2 * np.pi, (landmarks, far))
    radius = rng.uniform(2 * _NEAR_PX, reach, (landmarks, far))
    return np.concatenate([close, np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1)], axis=1)


def _learn_expert(patches: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Logistic regression; (F + 1,)."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=0.02, max_iter=60)
    model.fit(patches.reshape(len(wanted), -1), wanted)
    return np.append(model.coef_[0], model.intercept_[0])
