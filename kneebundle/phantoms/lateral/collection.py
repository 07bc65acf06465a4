"""A data set of drawn lateral films that takes no room."""

from __future__ import annotations

import numpy as np

from kneebundle.phantoms.collection import Phantoms
from kneebundle.phantoms.lateral.film import draw_lateral_knee
from kneebundle.phantoms.lateral.knee import LateralKnee

__all__ = ["LateralKnees"]


class LateralKnees(Phantoms[LateralKnee]):
    """A data set of drawn lateral films: film ``i`` is drawn when it is asked for, always the same.

    Args:
        count: number of films.
        seed: another seed, other films.
        size_px, spacing_mm: as in :func:`draw_lateral_knee`.

    Example:
        >>> from kneebundle.phantoms.lateral import LateralKnees
        >>> knee = LateralKnees(10, seed=1, size_px=128)[2]
        >>> knee.masks.shape[0], knee.landmarks.shape, knee.facing
        (4, (2, 2), 'left')
    """

    def __init__(self, count: int, seed: int = 0, size_px: int = 256, spacing_mm: float | None = None) -> None:
        super().__init__(count, seed)
        self.size_px = size_px
        self.spacing_mm = spacing_mm

    def draw(self, index: int, rng: np.random.Generator) -> LateralKnee:
        """Draw one film."""
        return draw_lateral_knee(rng, self.size_px, self.spacing_mm)
