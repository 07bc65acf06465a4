"""Responses around each landmark, and the likeliest shape among them.

Saragih, Lucey and Cohn, "Deformable Model Fitting by Regularized Landmark Mean-Shift", International Journal of
Computer Vision 91 (2011): each point climbs its own response by mean shift, and the shape model decides what of it is a
knee; how sharp a response is says how much it counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from kneebundle.landmarks import KNEE_PA
from kneebundle.shape_models.frames import Frame
from kneebundle.shape_models.point_distribution import PointDistributionModel, Pose

__all__ = ["Match", "Responses", "climb_responses", "start_in_middle", "to_confidence"]

_SEEN_MM = 4.0


@dataclass(frozen=True)
class Responses:
    """How likely each landmark is at each place of a grid around it.

    Attributes:
        frame: that the grids lie in.
        x: (N, G) columns of each landmark's grid, pixels of the frame.
        y: (N, G) rows.
        values: (N, G, G) not negative, row then column.
    """

    frame: Frame
    x: np.ndarray
    y: np.ndarray
    values: np.ndarray

    def shift(self, points: np.ndarray, width: float) -> tuple[np.ndarray, np.ndarray]:
        """Move points to the weighted mean of what lies around them.

        Args:
            points: (N, 2) in pixels of the frame.
            width: standard deviation of the window, pixels.

        Returns:
            (N, 2) means, and (N,) root mean square distances from them along an axis, pixels. A point without any
            response around it stays and has the width of the window.
        """
        kernel_x = np.exp(-0.5 * ((self.x - points[:, :1]) / width) ** 2)
        kernel_y = np.exp(-0.5 * ((self.y - points[:, 1:]) / width) ** 2)
        weighted = self.values * kernel_y[:, :, None] * kernel_x[:, None, :]
        over_x, over_y = weighted.sum(1), weighted.sum(2)
        total = over_x.sum(1)
        known = total > 1e-9
        safe = np.where(known, total, 1.0)
        mean = np.stack([(over_x * self.x).sum(1), (over_y * self.y).sum(1)], axis=1) / safe[:, None]
        square = ((over_x * (self.x - mean[:, :1]) ** 2).sum(1) + (over_y * (self.y - mean[:, 1:]) ** 2).sum(1)) / safe
        return np.where(known[:, None], mean, points), np.where(known, np.sqrt(square / 2), width)


@dataclass(frozen=True)
class Match:
    """A shape found in a region.

    Attributes:
        points: (N, 2) mm, origin in the middle of the region.
        pose: of the mean shape.
        scores: (K,) of the shape model.
        spread_mm: (N,) standard deviation of the responses within some mm of each point: how unsure it is.
    """

    points: np.ndarray
    pose: Pose
    scores: np.ndarray
    spread_mm: np.ndarray


def to_confidence(spread_mm: np.ndarray, half_mm: float = 1.0) -> np.ndarray:
    """Confidence in (0, 1] of responses that scatter by ``spread_mm``; ``half_mm`` is the spread at which it is 1/2.

    Example:
        >>> to_confidence(np.array([0.0, 1.0, 3.0])).tolist()
        [1.0, 0.5, 0.25]
    """
    return half_mm / (half_mm + spread_mm)


def start_in_middle(model: PointDistributionModel) -> Match:
    """The mean shape with its landmark 4 in the middle of a region, where nothing is known yet."""
    shift = -model.mean[KNEE_PA.center]
    count = len(model.mean)
    return Match(model.mean + shift, Pose(1.0, 0.0, shift), np.zeros(len(model.modes)), np.full(count, np.inf))


def climb_responses(
    model: PointDistributionModel,
    responses: Responses,
    start: Match,
    widths_mm: Sequence[float],
    least_mm: float = 0.25,
    prior: float = 0.15,
) -> Match:
    """Fit the shape to responses.

    Args:
        model: the shapes that there are.
        responses: around each landmark.
        start: where to begin.
        widths_mm: of the window of each step, falling.
        least_mm: error of even the sharpest response; the larger, the more the shape model decides.
        prior: its weight.
    """
    match, frame = start, responses.frame
    mm = frame.spacing_mm * frame.pose.scale
    for width in widths_mm:
        at, spread = responses.shift(frame.to_pixels(match.points), width / mm)
        spread_mm = spread * mm
        points, pose, scores = model.fit(frame.to_region(at), 1 / (spread_mm**2 + least_mm**2), prior)
        match = Match(points, pose, scores, spread_mm)
    _, spread = responses.shift(frame.to_pixels(match.points), _SEEN_MM / mm)
    return replace(match, spread_mm=spread * mm)
