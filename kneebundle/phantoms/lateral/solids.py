"""Solids given by a level: about the depth in mm below the surface, positive inside; joined with smooth fillets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.interpolate import PchipInterpolator

__all__ = [
    "Points",
    "Profile",
    "Rigid",
    "Solid",
    "ellipsoid",
    "rotation",
    "smooth_intersection",
    "smooth_union",
    "tube",
]


class Points(NamedTuple):
    """Arrays of one shape: mm anterior, distal and lateral of a bone's origin."""

    x: np.ndarray
    y: np.ndarray
    z: np.ndarray


@dataclass(frozen=True)
class Rigid:
    """A movement: points go to ``rotation @ point + shift``."""

    rotation: np.ndarray
    shift: np.ndarray

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Move points (N, 3)."""
        return np.asarray(points, dtype=np.float64) @ self.rotation.T + self.shift

    def after(self, first: Rigid) -> Rigid:
        """The movement that does ``first``, then this one."""
        return Rigid(self.rotation @ first.rotation, self(first.shift[None])[0])

    def inverse(self) -> Rigid:
        """The way back."""
        return Rigid(self.rotation.T, -self.rotation.T @ self.shift)

    def apply(self, p: Points) -> Points:
        """Move points that come as three arrays; float32."""
        r, s = self.rotation.astype(np.float32), self.shift.astype(np.float32)
        return Points(*(r[i, 0] * p.x + r[i, 1] * p.y + r[i, 2] * p.z + s[i] for i in range(3)))


@dataclass(frozen=True)
class Solid:
    """A bone in its own frame.

    Attributes:
        level: mm below the surface, about; positive inside.
        cortex_mm: thickness of the cortex under each point.
        box: (2, 3) lowest and highest x, y, z that it reaches.
    """

    level: Callable[[Points], np.ndarray]
    cortex_mm: Callable[[Points], np.ndarray]
    box: np.ndarray


class Profile:
    """A smooth curve through knots, monotone between them and constant beyond the ends.

    Args:
        knots: increasing positions.
        values: at each of them.
    """

    def __init__(self, knots: Sequence[float], values: Sequence[float]) -> None:
        self._at = np.linspace(knots[0], knots[-1], 256)
        self._values = PchipInterpolator(knots, values)(self._at)

    def __call__(self, at: np.ndarray) -> np.ndarray:
        """Values of the curve, float32."""
        return np.interp(at, self._at, self._values).astype(np.float32)


def rotation(degrees: float, axis: int) -> np.ndarray:
    """(3, 3) turning about axis 0, 1 or 2; about axis 2 it takes x towards y."""
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    i, j = [k for k in range(3) if k != axis]
    matrix = np.eye(3)
    matrix[i, i] = matrix[j, j] = c
    matrix[i, j], matrix[j, i] = -s, s
    return matrix


def ellipsoid(p: Points, center: Sequence[float] | np.ndarray, radii: Sequence[float], power: int = 2) -> np.ndarray:
    """An ellipsoid, or with ``power`` 3 one that is flatter sideways (in z), as a condyle is."""
    x, y, z = ((values - float(c)) * (1 / float(r)) for values, c, r in zip(p, center, radii, strict=True))
    around = x * x + y * y
    distance = np.sqrt(around + z * z) if power == 2 else np.cbrt(around * np.sqrt(around) + np.abs(z) ** 3)
    return (1 - distance) * np.float32(min(radii))


def tube(p: Points, back: np.ndarray, front: np.ndarray, width: np.ndarray, middle: float = 0.0) -> np.ndarray:
    """A tube about the y axis: ellipses from ``back`` to ``front`` in x, ``width`` off ``middle`` in z."""
    radius = (front - back) / 2
    across = (p.x - (front + back) / 2) / radius
    aside = (p.z - float(middle)) / width
    return (1 - np.sqrt(across * across + aside * aside)) * radius


def smooth_union(a: np.ndarray, b: np.ndarray, fillet_mm: float) -> np.ndarray:
    """Both solids, with the groove between them filled where their levels differ by less than ``fillet_mm``."""
    near = np.maximum(np.float32(fillet_mm) - np.abs(a - b), 0)
    return np.maximum(a, b) + near * near * np.float32(0.25 / fillet_mm)


def smooth_intersection(a: np.ndarray, b: np.ndarray, fillet_mm: float) -> np.ndarray:
    """What both solids share, its edge rounded."""
    return -smooth_union(-a, -b, fillet_mm)
