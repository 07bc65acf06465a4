"""Random forest regression voting in a constrained local model (Lindner et al. 2013 and 2015, as BoneFinder does).

Around each landmark a grid of points asks the landmark's forest where it lies; the votes make up a response image,
and the shape model fits a knee to the responses of all landmarks, from coarse to fine. Where this parts from the
papers: the search begins at the centre of a region and not with a Hough forest over the radiograph; votes count the
more the less the displacements in their leaf scatter; and the shape climbs the responses by regularised mean shift and
not by a search for the highest response within a falling radius.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from kneebundle.shape_models.forests import Forests, grow_forest, join_forests
from kneebundle.shape_models.frames import Frame, make_frame
from kneebundle.shape_models.haar import draw_boxes, integrate, measure_boxes
from kneebundle.shape_models.matching import Match, Responses, climb_responses, start_in_middle
from kneebundle.shape_models.point_distribution import (
    IDENTITY,
    PointDistributionModel,
    Pose,
    fit_point_distribution,
    fit_pose,
)

__all__ = ["LEVELS", "RegressionVoting", "VotingLevel", "train_regression_voting"]

_MARGIN_MM = 4.0
_VOTE_FLOOR_MM = 1.5
_DOUBTFUL_MM = 1.3


@dataclass(frozen=True)
class VotingLevel:
    """One resolution.

    Attributes:
        spacing_mm: size of a pixel of the frame.
        half_mm: features reach so far from a point.
        reach_mm: a landmark is at most that far from the points that its forest is asked at.
        step_px: from one of these points to the next.
        widths_mm: windows of the mean shift.
        turn_deg: standard deviation of the turns in training.
        scale: of the logarithm of scales in training.
        rounds: searches, each around what the last one found.
    """

    spacing_mm: float
    half_mm: float
    reach_mm: float
    step_px: int
    widths_mm: tuple[float, ...]
    turn_deg: float
    scale: float
    rounds: int = 2


LEVELS = (
    VotingLevel(1.2, 20.0, 14.0, 3, (12.0, 9.0, 7.0, 5.0, 4.0, 4.0), 6.0, 0.08, 1),
    VotingLevel(0.7, 12.0, 6.0, 2, (4.0, 3.0, 2.5, 2.0), 2.5, 0.03),
    VotingLevel(0.4, 7.0, 3.0, 2, (2.0, 1.5, 1.0, 0.7, 0.7), 1.5, 0.02),
)
"""From coarse to fine."""


@dataclass(frozen=True)
class RegressionVoting:
    """A shape model and forests for each level.

    Attributes:
        shape: the point distribution model.
        forests: a level each.
        levels: their resolutions.

    Example::

        model = train_regression_voting(regions, points_mm, 0.3)
        model.match(regions[0], 0.3).points  # (16, 2) mm from the middle of the region
    """

    shape: PointDistributionModel
    forests: tuple[Forests, ...]
    levels: tuple[VotingLevel, ...] = LEVELS

    def match(self, region: np.ndarray, spacing_mm: float) -> Match:
        """Find the landmarks in a region.

        Where votes scatter as they do on a negative, the region is looked at as one too, and the sharper match taken.

        Args:
            region: (H, W) of :func:`kneebundle.shape_models.even_contrast`, a right or mirrored left knee whose joint
                lies about in the middle.
            spacing_mm: size of its pixels.
        """
        match = self._search(region, spacing_mm)
        if match.spread_mm.mean() < _DOUBTFUL_MM:
            return match
        return min(match, self._search(-region, spacing_mm), key=lambda m: float(m.spread_mm.mean()))

    def _search(self, region: np.ndarray, spacing_mm: float) -> Match:
        match = start_in_middle(self.shape)
        for number, (level, forests) in enumerate(zip(self.levels, self.forests, strict=True)):
            for _ in range(level.rounds):
                pose = IDENTITY if number == 0 else match.pose
                frame = make_frame(region, spacing_mm, pose, level.spacing_mm, frame_size(self.shape, level))
                match = climb_responses(
                    self.shape, respond(forests, level, frame, match.points), match, level.widths_mm
                )
        return match


def frame_size(shape: PointDistributionModel, level: VotingLevel) -> tuple[float, float]:
    """Height and width in mm of a frame that holds all boxes around all landmarks."""
    reach = 1.15 * np.abs(shape.mean).max(0) + level.half_mm + 2 * level.reach_mm + _MARGIN_MM
    return 2 * float(reach[1]), 2 * float(reach[0])


def respond(forests: Forests, level: VotingLevel, frame: Frame, points: np.ndarray) -> Responses:
    """Let the forests vote around points (N, 2) in mm of the region."""
    middle = np.rint(frame.to_pixels(points)).astype(np.int64)
    reach = round(level.reach_mm / level.spacing_mm)
    steps = np.arange(-reach, reach + 1, level.step_px)
    grid_y, grid_x = (axis.ravel() for axis in np.meshgrid(steps, steps, indexing="ij"))
    x, y = middle[:, :1] + grid_x, middle[:, 1:] + grid_y
    votes = forests.vote(integrate(frame.pixels), x, y)
    # votes fall into a window twice as wide as the grid that was asked
    half = 2 * reach
    size = 2 * half + 1
    columns = np.rint(votes[..., 0] / level.spacing_mm).astype(np.int64) + grid_x[None, :, None] + half
    rows = np.rint(votes[..., 1] / level.spacing_mm).astype(np.int64) + grid_y[None, :, None] + half
    landmark = np.broadcast_to(np.arange(len(points))[:, None, None], rows.shape)
    inside = (rows >= 0) & (rows < size) & (columns >= 0) & (columns < size)
    place = (landmark * size + rows) * size + columns
    weights = 1 / (votes[..., 2] ** 2 + _VOTE_FLOOR_MM**2)
    values = np.bincount(place[inside], weights[inside], minlength=len(points) * size * size)
    window = np.arange(-half, half + 1)
    return Responses(frame, middle[:, :1] + window, middle[:, 1:] + window, values.reshape(-1, size, size))


def train_regression_voting(
    regions: np.ndarray,
    points: np.ndarray,
    spacing_mm: float,
    seed: int = 0,
    levels: Sequence[VotingLevel] = LEVELS,
    trees: int = 12,
    features: int = 320,
    samples: int = 20,
    looks: int = 2,
    report: Callable[[str], None] = lambda _: None,
) -> RegressionVoting:
    """Train on regions with known landmarks.

    Args:
        regions: (M, H, W) of :func:`kneebundle.shape_models.even_contrast`.
        points: (M, N, 2) mm, origin in the middle of each region.
        spacing_mm: size of their pixels.
        seed: of all that is drawn.
        levels: resolutions.
        trees: of a landmark and level.
        features: Haar-like features of a level, of which each split looks at an eighth.
        samples: points around each landmark in each look.
        looks: poses in which each region is seen.
        report: is told how far it is.
    """
    shape = fit_point_distribution(points)
    forests = []
    for number, level in enumerate(levels):
        rng = np.random.default_rng([seed, number])
        boxes = draw_boxes(rng, features, round(level.half_mm / level.spacing_mm))
        count = len(regions) * looks
        measured = np.empty((points.shape[1], count, samples, features), dtype=np.int16)
        goals = np.empty((points.shape[1], count, samples, 2), dtype=np.float32)
        for place in range(count):
            region, true = regions[place // looks], points[place // looks]
            pose = _draw_pose(rng, shape, true, level, free=number == 0)
            frame = make_frame(region, spacing_mm, pose, level.spacing_mm, frame_size(shape, level))
            exact = frame.to_pixels(true)[:, None, :]
            reach = level.reach_mm / level.spacing_mm
            asked = np.rint(exact + rng.uniform(-reach, reach, (len(true), samples, 2))).astype(np.int64)
            measured[:, place] = measure_boxes(
                integrate(frame.pixels), asked[..., :1], asked[..., 1:], boxes[None, None]
            )
            goals[:, place] = (exact - asked) * level.spacing_mm
        grown = []
        for landmark in range(points.shape[1]):
            shown = measured[landmark].reshape(-1, features)
            grown.append(grow_forest(shown, goals[landmark].reshape(-1, 2), trees, seed + landmark))
        forests.append(join_forests(grown, points.shape[1], boxes))
        report(f"level {number + 1} of {len(levels)}: {len(forests[-1].feature)} nodes")
    return RegressionVoting(shape, tuple(forests), tuple(levels))


def _draw_pose(
    rng: np.random.Generator, shape: PointDistributionModel, points: np.ndarray, level: VotingLevel, free: bool
) -> Pose:
    """The pose that a knee is seen in: near its own, or upright and of unknown size where that is not known yet."""
    true = fit_pose(shape.mean, points)
    a, b = (1.0, 0.0) if free else (true.a, true.b)
    turn, scale = np.radians(level.turn_deg) * rng.standard_normal(), np.exp(level.scale * rng.standard_normal())
    cosine, sine = scale * np.cos(turn), scale * np.sin(turn)
    return Pose(float(a * cosine - b * sine), float(a * sine + b * cosine), true.shift)
