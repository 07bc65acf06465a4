"""Active appearance model, fitted by fast simultaneous inverse composition.

Cootes, Edwards and Taylor, IEEE Transactions on Pattern Analysis and Machine Intelligence 23 (2001); the fit is that of
Tzimiropoulos and Pantic, "Optimization problems for fast AAM fitting in-the-wild", ICCV 2013. Instead of triangles, of
which 16 landmarks along a joint make few, a thin plate spline carries the pixels around the joint along with the
landmarks; it is linear in them, so that its derivative is the same everywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from kneebundle.shape_models.appearance import describe_pixels
from kneebundle.shape_models.frames import make_frame
from kneebundle.shape_models.matching import Match, start_in_middle
from kneebundle.shape_models.point_distribution import (
    IDENTITY,
    PointDistributionModel,
    fit_point_distribution,
)

__all__ = ["ActiveAppearanceModel", "AppearanceLevel", "train_active_appearance"]

_BORDER_MM = 12.0
_FRAME_MM = (112.0, 112.0)
_STEPS = 25
_STILL_MM = 0.01


@dataclass(frozen=True)
class AppearanceLevel:
    """One resolution: mm a pixel, number of modes of the shape and of the appearance that are fitted."""

    spacing_mm: float
    shape_modes: int
    appearance_modes: int


LEVELS = (AppearanceLevel(2.4, 3, 30), AppearanceLevel(1.2, 12, 60))


@dataclass(frozen=True)
class Appearance:
    """The appearance at one resolution, P pixels around the mean shape with C features.

    Attributes:
        carry: (P, N) how pixels move with the landmarks.
        mean: (P, C).
        modes: (M, P, C) orthonormal.
        mean_slope: (P, C, 2) derivative of the mean along x and y, a mm.
        mode_slopes: (M, P, C, 2).
    """

    carry: np.ndarray
    mean: np.ndarray
    modes: np.ndarray
    mean_slope: np.ndarray
    mode_slopes: np.ndarray


@dataclass(frozen=True)
class ActiveAppearanceModel:
    """A shape model and the appearance at each level.

    Attributes:
        shape: the point distribution model.
        appearances: a level each.
        features: what the pixels show, see :data:`kneebundle.shape_models.FEATURES`.
    """

    shape: PointDistributionModel
    appearances: tuple[Appearance, ...]
    features: str

    def match(self, region: np.ndarray, spacing_mm: float) -> Match:
        """Find the landmarks in a region, see :meth:`kneebundle.shape_models.RegressionVoting.match`.

        All landmarks have the same spread: an appearance model does not say which of them it found.
        """
        match = start_in_middle(self.shape)
        for level, appearance in zip(LEVELS, self.appearances, strict=True):
            frame = make_frame(region, spacing_mm, IDENTITY, level.spacing_mm, _FRAME_MM)
            channels = describe_pixels(frame.pixels, self.features)
            basis = _shape_basis(self.shape, level.shape_modes)
            points, coefficients = match.points, np.zeros(len(appearance.modes))
            pose, scores = match.pose, match.scores
            for _ in range(_STEPS):
                seen = _sample(channels, frame.to_pixels(appearance.carry @ points))
                slopes = appearance.mean_slope + np.tensordot(coefficients, appearance.mode_slopes, 1)
                step, coefficients = _solve(appearance, slopes, basis, seen)
                moved = points - step @ pose.matrix.T
                points, pose, scores = self.shape.fit(moved, np.full(len(moved), 25.0), prior=0.2)
                if np.abs(step).max() < _STILL_MM:
                    break
            rest = seen - appearance.mean - np.tensordot(coefficients, appearance.modes, 1)
            spread = 4.0 * float((rest**2).sum() / max(((seen - appearance.mean) ** 2).sum(), 1e-9))
            match = Match(points, pose, scores, np.full(len(points), spread))
        return match


def _shape_basis(shape: PointDistributionModel, modes: int) -> np.ndarray:
    """(4 + modes, 2 N) rows: turn, size and shift of the mean shape, and its first modes."""
    x, y = shape.mean.T
    ones, zeros = np.ones(len(x)), np.zeros(len(x))
    similar = np.stack([np.stack(pair, axis=1).ravel() for pair in ((x, y), (-y, x), (ones, zeros), (zeros, ones))])
    return np.concatenate([similar / np.linalg.norm(similar, axis=1, keepdims=True), shape.modes[:modes]])


def _solve(
    appearance: Appearance, slopes: np.ndarray, basis: np.ndarray, seen: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """One step: how the landmarks of the mean shape would have to move, (N, 2) mm, and the appearance (M,)."""
    moves = basis.reshape(len(basis), -1, 2)  # (Q, N, 2)
    carried = np.einsum("pn,qnd->qpd", appearance.carry, moves)
    jacobian = np.einsum("pcd,qpd->qpc", slopes, carried).reshape(len(basis), -1)
    modes = appearance.modes.reshape(len(appearance.modes), -1)
    error = (seen - appearance.mean).ravel()
    projected = jacobian - (jacobian @ modes.T) @ modes
    normal = projected @ projected.T
    normal[np.diag_indices_from(normal)] *= 1.001
    parameters = np.linalg.solve(normal + 1e-9 * np.eye(len(normal)), projected @ error)
    return (parameters @ basis).reshape(-1, 2), modes @ (error - parameters @ jacobian)


def _sample(channels: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """(P, C) of channels at x and y (P, 2) in pixels; beyond the border its pixels repeat."""
    places = pixels[:, ::-1].T
    return np.stack(
        [ndimage.map_coordinates(channel, places, order=1, mode="nearest") for channel in np.moveaxis(channels, -1, 0)],
        axis=-1,
    )


def train_active_appearance(
    regions: np.ndarray,
    points: np.ndarray,
    spacing_mm: float,
    features: str = "igo",
    report: Callable[[str], None] = lambda _: None,
) -> ActiveAppearanceModel:
    """Train on regions with known landmarks.

    Args:
        regions: (M, H, W) of :func:`kneebundle.shape_models.even_contrast`.
        points: (M, N, 2) mm, origin in the middle of each region.
        spacing_mm: size of their pixels.
        features: see :data:`kneebundle.shape_models.FEATURES`.
        report: is told how far it is.
    """
    shape = fit_point_distribution(points)
    appearances = []
    for number, level in enumerate(LEVELS):
        x, y, kept = _lay_grid(shape.mean, level.spacing_mm)
        carry = _carry(shape.mean, np.stack([x.ravel(), y.ravel()], axis=1))
        looks = []
        for region, true in zip(regions, points, strict=True):
            frame = make_frame(region, spacing_mm, IDENTITY, level.spacing_mm, _FRAME_MM)
            looks.append(_sample(describe_pixels(frame.pixels, features), frame.to_pixels(carry @ true)))
        seen = np.stack(looks).astype(np.float32)
        mean = seen.mean(0)
        inside = kept.ravel()
        rest = (seen - mean)[:, inside].reshape(len(seen), -1)
        values, vectors = np.linalg.eigh(rest @ rest.T)
        count = min(level.appearance_modes, len(seen) - 1)
        mixes = vectors[:, ::-1][:, :count].T / np.sqrt(np.maximum(values[::-1][:count], 1e-9))[:, None]
        modes = np.tensordot(mixes, seen - mean, 1)
        slopes = np.stack([_slope(picture.reshape(*x.shape, -1), level.spacing_mm) for picture in (mean, *modes)])
        slopes = slopes.reshape(1 + count, x.size, -1, 2)[:, inside]
        appearances.append(Appearance(carry[inside], mean[inside], modes[:, inside], slopes[0], slopes[1:]))
        report(f"level {number + 1} of {len(LEVELS)}: {int(inside.sum())} pixels, {count} modes")
    return ActiveAppearanceModel(shape, tuple(appearances), features)


def _lay_grid(mean: np.ndarray, spacing_mm: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pixels around the mean shape: x and y in mm, and which of them lie within some mm of its outlines."""
    low, high = mean.min(0) - _BORDER_MM, mean.max(0) + _BORDER_MM
    x, y = np.meshgrid(*(np.arange(a, b, spacing_mm) for a, b in zip(low, high, strict=True)))
    fine = np.concatenate([mean, (mean[1:] + mean[:-1]) / 2])
    near = np.min(np.hypot(x[..., None] - fine[:, 0], y[..., None] - fine[:, 1]), axis=-1) < _BORDER_MM - spacing_mm
    return x, y, near


def _carry(mean: np.ndarray, places: np.ndarray) -> np.ndarray:
    """(P, N): the thin plate spline through the landmarks, as weights of their positions."""
    from scipy.interpolate import RBFInterpolator

    spline = RBFInterpolator(mean, np.eye(len(mean)), kernel="thin_plate_spline", smoothing=0.0, degree=1)
    return np.asarray(spline(places))


def _slope(picture: np.ndarray, spacing_mm: float) -> np.ndarray:
    """(H, W, C, 2): derivative of (H, W, C) along x and y."""
    down, right = np.gradient(picture, spacing_mm, axis=(0, 1))
    return np.stack([right, down], axis=-1)
