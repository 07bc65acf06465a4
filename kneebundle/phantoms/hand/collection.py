"""A data set of drawn hands that takes no room."""

from __future__ import annotations

import numpy as np

from kneebundle.landmarks import Landmarks
from kneebundle.phantoms.collection import Phantoms
from kneebundle.phantoms.hand.hand import draw_hand
from kneebundle.radiograph import Radiograph

__all__ = ["PhantomHands"]


class PhantomHands(Phantoms[tuple[Radiograph, Landmarks]]):
    """A data set of drawn hands: hand ``i`` is drawn when it is asked for, always the same.

    An item is a radiograph and the landmarks in its pixels.

    Args:
        count: number of hands.
        seed: another seed, other hands.
        spacing_mm: as in :func:`draw_hand`.

    Example:
        >>> from kneebundle.phantoms.hand import PhantomHands
        >>> radiograph, landmarks = PhantomHands(10, seed=1, spacing_mm=2.0)[2]
        >>> radiograph.spacing_mm, landmarks.points.shape
        ((2.0, 2.0), (37, 2))
    """

    def __init__(self, count: int, seed: int = 0, spacing_mm: float = 0.6) -> None:
        super().__init__(count, seed)
        self.spacing_mm = spacing_mm

    def draw(self, index: int, rng: np.random.Generator) -> tuple[Radiograph, Landmarks]:
        """Draw one hand."""
        return draw_hand(rng, self.spacing_mm)
