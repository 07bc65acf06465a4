"""A data set of drawn lateral films that takes no room."""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

import numpy as np

from kneebundle.datasets.phantoms.lateral.film import draw_lateral_knee
from kneebundle.datasets.phantoms.lateral.knee import LateralKnee

__all__ = ["LateralKnees"]


class LateralKnees(Sequence[LateralKnee]):
    """Drawn lateral films; film ``i`` is drawn when asked for, always the same.

    Args:
        count: number of films.
        seed: another seed, other films.
        size_px, spacing_mm: as in `draw_lateral_knee`.
    """

    def __init__(self, count: int, seed: int = 0, size_px: int = 256, spacing_mm: float | None = None) -> None:
        self._length = count
        self.seed = seed
        self.size_px = size_px
        self.spacing_mm = spacing_mm

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> LateralKnee: ...
    @overload
    def __getitem__(self, index: slice) -> list[LateralKnee]: ...
    def __getitem__(self, index: int | slice) -> LateralKnee | list[LateralKnee]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(self._length))]
        if not -self._length <= index < self._length:
            raise IndexError(index)
        rng = np.random.default_rng([self.seed, index % self._length])
        return draw_lateral_knee(rng, self.size_px, self.spacing_mm)
