"""How far off a landmark may be, in mm: split-conformal radii (Lei et al., JASA 2018, section 5.2, for scaled errors).

A network says how far its map spreads. Divided by that spread, the errors on knees that it never saw give, for each
landmark, a factor below which a share ``level`` of them lies; spread times factor is then a radius that covers as large
a share of new knees of the same kind.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from kneebundle.errors import KneeBundleError
from kneebundle.io.writing import write_atomically

__all__ = ["RADIUS_LEVEL", "ConformalRadii", "calibrate_radii", "confidence_to_spread", "find_conformal_factor"]

RADIUS_LEVEL = 0.9
"""Share of the landmarks of new knees that lie within the radius that a prediction gives."""


def confidence_to_spread(confidence: np.ndarray, half_mm: float) -> np.ndarray:
    """Convert a confidence to the spread of the map that gave it.

    Args:
        confidence: any shape, in (0, 1]: ``1 / (1 + spread / half)``.
        half_mm: the spread at which the confidence is one half: ``confidence_spread`` times the width of the region.

    Returns:
        The same shape, mm.

    Example:
        >>> confidence_to_spread(np.array([0.5, 1.0]), 2.1).tolist()
        [2.1, 0.0]
    """
    return half_mm * (1.0 / np.clip(np.asarray(confidence, dtype=np.float64), 1e-4, 1.0) - 1.0)


def find_conformal_factor(ratios: np.ndarray, level: float) -> float:
    """Find the ``ceil((n + 1) level)``-th smallest of n ratios, or the largest where there are too few.

    Args:
        ratios: (n,) errors over predicted spreads, of knees that were not trained on.
        level: wanted coverage, in (0, 1).

    Raises:
        ValueError: without ratios, or for a level outside (0, 1).

    Example:
        >>> find_conformal_factor(np.arange(1.0, 10.0), 0.8)
        8.0
    """
    ordered = np.sort(np.asarray(ratios, dtype=np.float64).ravel())
    if not 0 < level < 1 or ordered.size == 0:
        raise ValueError(f"needs ratios and a level in (0, 1), got {ordered.size} and {level}")
    return float(ordered[min(math.ceil((ordered.size + 1) * level), ordered.size) - 1])


@dataclass(frozen=True)
class ConformalRadii:
    """The calibration of a network's uncertainty, a factor for each level and landmark; a file beside its weights.

    Attributes:
        half_mm: see :func:`confidence_to_spread`.
        floor_mm: added to the spread, so that a map of one cell does not promise a radius of nothing.
        levels: (L,) coverages, ascending.
        factors: (L, N).
        source: on what they were calibrated, a sentence.

    Example:
        >>> radii = ConformalRadii(2.1, 0.5, (0.9,), np.array([[1.0, 2.0]]))
        >>> radii.radius_mm(np.array([0.5, 0.5])).tolist()
        [2.6, 5.2]
    """

    half_mm: float
    floor_mm: float
    levels: tuple[float, ...]
    factors: np.ndarray
    source: str = ""

    def radius_mm(self, confidence: np.ndarray, level: float = RADIUS_LEVEL) -> np.ndarray:
        """Compute radii around predicted landmarks.

        Args:
            confidence: (..., N) of the network.
            level: one of ``levels``.

        Returns:
            (..., N) mm.

        Raises:
            KneeBundleError: for another level or number of landmarks.
        """
        known = [i for i, value in enumerate(self.levels) if abs(value - level) < 1e-9]
        if not known or np.shape(confidence)[-1] != self.factors.shape[1]:
            levels = ", ".join(f"{value:g}" for value in self.levels)
            raise KneeBundleError(
                f"radii are known at {levels} for {self.factors.shape[1]} landmarks; "
                f"asked for {level:g} and {np.shape(confidence)[-1]}"
            )
        return (confidence_to_spread(confidence, self.half_mm) + self.floor_mm) * self.factors[known[0]]

    def widen(self, factor: float) -> ConformalRadii:
        """Multiply all radii by a factor."""
        return replace(self, factors=self.factors * factor)

    def save(self, path: Path) -> None:
        """Write as JSON, atomically."""
        content = {
            "half_mm": self.half_mm,
            "floor_mm": self.floor_mm,
            "levels": list(self.levels),
            "factors": [[round(float(f), 4) for f in row] for row in self.factors],
            "source": self.source,
        }
        with write_atomically(path) as temporary:
            temporary.write_text(json.dumps(content, indent=4) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> ConformalRadii:
        """Load what :meth:`save` wrote.

        Raises:
            KneeBundleError: if the file is missing or not of this form.
        """
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            factors = np.asarray(content["factors"], dtype=np.float64)
            levels = tuple(float(value) for value in content["levels"])
            half_mm, floor_mm = float(content["half_mm"]), float(content["floor_mm"])
            source = str(content.get("source", ""))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise KneeBundleError(f"the calibration of the uncertainty cannot be used ({error})", path) from error
        if factors.ndim != 2 or len(levels) != len(factors):
            raise KneeBundleError("the calibration of the uncertainty needs a row of factors for each level", path)
        return cls(half_mm, floor_mm, levels, factors, source)


def calibrate_radii(
    errors_mm: np.ndarray,
    confidence: np.ndarray,
    half_mm: float,
    floor_mm: float = 1.0,
    levels: Sequence[float] = (0.8, 0.9, 0.95),
    source: str = "",
) -> ConformalRadii:
    """Calibrate on knees that the network was not trained on.

    Args:
        errors_mm: (K, N) radial errors.
        confidence: (K, N) of the same predictions.
        half_mm: see :class:`ConformalRadii`.
        floor_mm: the same.
        levels: the same.
        source: the same.
    """
    errors = np.asarray(errors_mm, dtype=np.float64)
    ratios = errors / (confidence_to_spread(confidence, half_mm) + floor_mm)
    landmarks = range(errors.shape[1])
    factors = np.array([[find_conformal_factor(ratios[:, n], level) for n in landmarks] for level in levels])
    return ConformalRadii(half_mm, floor_mm, tuple(levels), factors, source)
