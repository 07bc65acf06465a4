"""The shape of the 37 hand landmarks: a mean and its modes, and the fit of one hand's pose to another's."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from kneebundle.landmarks import HAND

__all__ = ["HandShape", "fit_hand_shape", "is_plausible_hand", "load_hand_shape", "place_on", "fit_rotation"]

_SHIPPED = Path(__file__).with_name("hand_shape.json")
_SCORE_LIMIT = 2.5  # standard deviations
_MISTAKE = 6.0  # a point this many times farther from its usual place than is usual was set by mistake
_UNSHARP_MM = 2.0
_FINGERS = tuple(ids for name, ids in HAND.outlines if len(ids) > 3 and name != "distal_carpals")


@dataclass(frozen=True)
class HandShape:
    """Principal components of landmark positions in mm of a left hand, the wrist's two ends 50 mm apart.

    Translation and rotation were removed before the analysis; size is the convention's, so that children's fingers are
    short and adults' long.

    Attributes:
        mean: (37, 2) mm, centroid at the origin.
        modes: (K, 74) orthonormal rows, ordered x0, y0, x1, ...
        deviations: (K,) standard deviations of the scores in mm.
        rotation_deg: standard deviation of the rotation that was removed.
        hands: number of hands it was fitted to.
    """

    mean: np.ndarray
    modes: np.ndarray
    deviations: np.ndarray
    rotation_deg: float
    hands: int

    def points(self, scores: np.ndarray) -> np.ndarray:
        """Compute the (37, 2) points in mm of scores (K,)."""
        return self.mean + (scores @ self.modes).reshape(-1, 2)

    def draw(self, rng: np.random.Generator | np.random.RandomState) -> np.ndarray:
        """Draw a random hand, (37, 2) points in mm; one whose bones fold or cross is drawn again."""
        while True:
            spread = np.clip(rng.normal(size=len(self.modes)), -_SCORE_LIMIT, _SCORE_LIMIT)
            points = self.points(self.deviations * spread)
            if is_plausible_hand(points):
                return points

    def to_json(self) -> str:
        """Write the model as a JSON text, numbers rounded to 0.0001."""
        note = "Fitted by scripts/fit_hand_shape to the annotations of Payer et al. (Medical Image Analysis 54, 2019)."
        fields = {name: np.round(getattr(self, name), 4).tolist() for name in self.__dataclass_fields__}
        return json.dumps({"source": note, **fields}, separators=(",", ":")) + "\n"


def is_plausible_hand(points_mm: np.ndarray) -> bool:
    """Tell whether no finger folds: neighbouring bones differ by at most 50 degrees, and none is under 5 mm."""
    for ids in _FINGERS:
        bones = np.diff(points_mm[list(ids)], axis=0)
        lengths = np.linalg.norm(bones, axis=1)
        if lengths.min() < 5.0:
            return False
        turn = (bones[1:] * bones[:-1]).sum(axis=1) / (lengths[1:] * lengths[:-1])
        if turn.min() < np.cos(np.deg2rad(50.0)):
            return False
    bases = points_mm[[33, 29, 25, 21], 0]
    return bool((np.diff(bases) > 8.0).all())


def fit_rotation(points: np.ndarray, reference: np.ndarray) -> tuple[float, np.ndarray]:
    """Fit the rotation that brings points (N, 2) nearest to a reference (N, 2), both about their centroids.

    Returns:
        The angle in radians, and the matrix (2, 2) for ``points @ matrix.T``.

    Example:
        >>> import numpy as np
        >>> points = np.array([[0.0, 0.0], [1.0, 0.0]])
        >>> angle, _ = fit_rotation(points, np.array([[0.0, 0.0], [0.0, 1.0]]))
        >>> round(np.degrees(angle))
        90
    """
    a, b = points - points.mean(axis=0), reference - reference.mean(axis=0)
    cross, dot = float((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum()), float((a * b).sum())
    angle = np.arctan2(cross, dot)
    return float(angle), np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def place_on(points: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Shift, turn and scale points (N, 2) onto a reference (N, 2), as near as can be; in the reference's unit."""
    turned = (points - points.mean(axis=0)) @ fit_rotation(points, reference)[1].T
    centre = reference.mean(axis=0)
    scale = float((turned * (reference - centre)).sum() / (turned**2).sum())
    return turned * scale + centre


def fit_hand_shape(points_mm: np.ndarray, modes: int = 32) -> HandShape:
    """Fit the model to (M, 37, 2) points in mm; hands with a point set by gross mistake are thrown out first.

    A mistake is a point more than 6 times as far from its median place as half of all hands have it, plus 2 mm.
    """
    points_mm = points_mm - np.median(points_mm, axis=1, keepdims=True)
    distance = np.linalg.norm((turned := _remove_rotation(points_mm)[0]) - np.median(turned, axis=0), axis=2)
    points_mm = points_mm[(distance <= _MISTAKE * np.median(distance, axis=0) + _UNSHARP_MM).all(axis=1)]
    turned, angles = _remove_rotation(points_mm - points_mm.mean(axis=1, keepdims=True))
    mean = turned.mean(axis=0)
    flat = (turned - mean).reshape(len(turned), -1)
    axes = np.linalg.svd(flat, full_matrices=False)[2][:modes]
    axes = axes * np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(1)])[:, None]
    deviations = (flat @ axes.T).std(axis=0, ddof=1)
    return HandShape(mean, axes, deviations, float(np.degrees(angles).std()), len(turned))


def _remove_rotation(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Turn centred hands (M, N, 2) onto their own mean.

    The mean's middle metacarpal points as it does on average.
    """
    turned = points
    angles = np.zeros(len(points))
    for _ in range(4):
        reference = np.median(turned, axis=0)
        fits = [fit_rotation(p, reference) for p in points]
        angles = np.array([angle for angle, _ in fits])
        turned = np.stack([p @ matrix.T for p, (_, matrix) in zip(points, fits, strict=True)])
    return turned, angles


@lru_cache(maxsize=1)
def load_hand_shape(path: Path = _SHIPPED) -> HandShape:
    """Load a model, by default the shipped one."""
    numbers = json.loads(path.read_text(encoding="utf-8"))
    arrays = {name: np.array(numbers[name]) for name in ("mean", "modes", "deviations")}
    return HandShape(**arrays, rotation_deg=float(numbers["rotation_deg"]), hands=int(numbers["hands"]))
