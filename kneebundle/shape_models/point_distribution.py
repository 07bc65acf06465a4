"""Point distribution model: a mean shape, its modes, and the likeliest shape given where points were seen.

Cootes, Taylor, Cooper and Graham, "Active Shape Models", Computer Vision and Image Understanding 61 (1995). All modes
are kept, and a Gaussian prior takes the place of hard limits, so that a fit is a maximum a posteriori estimate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kneebundle.errors import KneeBundleError

__all__ = ["IDENTITY", "PointDistributionModel", "Pose", "fit_point_distribution", "fit_pose"]

_SCALE_SD = 0.1
_TURN_SD = 0.1
_NOISE_MM2 = 0.01


@dataclass(frozen=True)
class Pose:
    """A similarity: ``x' = a x - b y + tx``, ``y' = b x + a y + ty``.

    Attributes:
        a: scale times cosine of the turn.
        b: scale times sine.
        shift: (2,) mm.

    Example:
        >>> Pose(0.0, 2.0, np.array([1.0, 0.0])).apply(np.array([[1.0, 0.0]])).tolist()
        [[1.0, 2.0]]
    """

    a: float
    b: float
    shift: np.ndarray

    @property
    def matrix(self) -> np.ndarray:
        """(2, 2): what columns (x, y) are multiplied by."""
        return np.array([[self.a, -self.b], [self.b, self.a]])

    @property
    def scale(self) -> float:
        """How much larger points become."""
        return float(np.hypot(self.a, self.b))

    def apply(self, points: np.ndarray) -> np.ndarray:
        """Move points (..., 2)."""
        return points @ self.matrix.T + self.shift

    def undo(self, points: np.ndarray) -> np.ndarray:
        """Move points (..., 2) back."""
        return (points - self.shift) @ self.matrix / self.scale**2


IDENTITY = Pose(1.0, 0.0, np.zeros(2))
"""The pose that leaves all points where they are."""


def fit_pose(source: np.ndarray, target: np.ndarray, weights: np.ndarray | None = None, prior: float = 0.0) -> Pose:
    """Fit the similarity that takes points onto others, by weighted least squares.

    Args:
        source: (N, 2).
        target: (N, 2).
        weights: (N,) inverse variances, 1 / mm^2; None: all 1.
        prior: weight of the prior knowledge that knees are of one size and upright (scale 1, turn 0, standard
            deviation 0.1 of either); 0: none.
    """
    count = len(source)
    x, y = source.T
    design = np.zeros((2 * count, 4))
    design[:count] = np.stack([x, -y, np.ones(count), np.zeros(count)], axis=1)
    design[count:] = np.stack([y, x, np.zeros(count), np.ones(count)], axis=1)
    both = np.tile(np.ones(count) if weights is None else weights, 2)
    normal = design.T @ (both[:, None] * design)
    right = design.T @ (both * target.T.ravel())
    normal[[0, 1], [0, 1]] += prior / np.array([_SCALE_SD, _TURN_SD]) ** 2
    right[0] += prior / _SCALE_SD**2
    a, b, *shift = np.linalg.solve(normal, right)
    return Pose(float(a), float(b), np.array(shift))


@dataclass(frozen=True)
class PointDistributionModel:
    """Principal components of shapes of which position, turn and size were taken out.

    Attributes:
        mean: (N, 2) mm around the origin, of the mean size.
        modes: (K, 2 N) orthonormal rows, ordered x0, y0, x1, ...
        variances: (K,) mm^2, falling.
    """

    mean: np.ndarray
    modes: np.ndarray
    variances: np.ndarray

    def points(self, scores: np.ndarray, pose: Pose = IDENTITY) -> np.ndarray:
        """Compute the (N, 2) points of scores (K,) in mm."""
        return pose.apply(self.mean + (scores @ self.modes).reshape(-1, 2))

    def fit(
        self, target: np.ndarray, weights: np.ndarray, prior: float = 1.0, rounds: int = 3
    ) -> tuple[np.ndarray, Pose, np.ndarray]:
        """Find the likeliest shape.

        Args:
            target: (N, 2) mm, where points were seen.
            weights: (N,) inverse variances of that, 1 / mm^2.
            prior: weight of the prior of shape and pose.
            rounds: of pose and shape in turn.

        Returns:
            (N, 2) points, their pose, and (K,) scores.

        Example:
            >>> square = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
            >>> rng = np.random.default_rng(0)
            >>> model = fit_point_distribution(square + rng.normal(0, 0.05, (50, 4, 2)))
            >>> points, pose, _ = model.fit(square * 1.1, np.full(4, 1e6))
            >>> round(pose.scale, 1), bool(abs(points - square * 1.1).max() < 0.01)
            (1.1, True)
        """
        scores = np.zeros(len(self.modes))
        pose = IDENTITY
        both = np.repeat(weights, 2)
        for _ in range(rounds):
            pose = fit_pose(self.points(scores), target, weights, prior)
            weighted = both * pose.scale**2
            normal = (self.modes * weighted) @ self.modes.T + np.diag(prior / self.variances)
            offset = (pose.undo(target) - self.mean).ravel()
            scores = np.linalg.solve(normal, self.modes @ (weighted * offset))
        return self.points(scores, pose), pose, scores


def fit_point_distribution(shapes: np.ndarray, rounds: int = 4) -> PointDistributionModel:
    """Fit the model to shapes, which are brought onto each other first (generalised Procrustes analysis).

    Args:
        shapes: (M, N, 2) mm, right (or mirrored left) knees.
        rounds: of the alignment.

    Raises:
        KneeBundleError: for fewer than three shapes.
    """
    shapes = np.asarray(shapes, dtype=np.float64)
    if len(shapes) < 3:
        raise KneeBundleError(f"a shape model needs at least 3 knees, got {len(shapes)}; give more")
    centred = shapes - shapes.mean(1, keepdims=True)
    size = float(np.sqrt((centred**2).sum((1, 2))).mean())
    mean = centred.mean(0)
    for _ in range(rounds):
        mean *= size / np.sqrt((mean**2).sum())
        aligned = np.stack([fit_pose(shape, mean).apply(shape) for shape in centred])
        mean = aligned.mean(0)
    _, spread, modes = np.linalg.svd((aligned - mean).reshape(len(shapes), -1), full_matrices=False)
    kept = min(len(modes), 2 * shapes.shape[1] - 4)
    return PointDistributionModel(mean, modes[:kept], spread[:kept] ** 2 / (len(shapes) - 1) + _NOISE_MM2)
