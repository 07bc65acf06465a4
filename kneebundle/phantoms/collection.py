"""Data sets of phantoms that take no room, and records of them for training."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, overload

import numpy as np

__all__ = ["Phantoms", "phantom_records"]

T = TypeVar("T")

_FIRST_IN_VALIDATION = 1_000_000


class Phantoms(Sequence[T], ABC):
    """A data set of phantoms: phantom ``i`` is drawn when it is asked for, always the same.

    A subclass draws one. Its attributes are all that is pickled, so that a record that holds it stays small.

    Args:
        count: number of phantoms.
        seed: another seed, other phantoms.
    """

    def __init__(self, count: int, seed: int = 0) -> None:
        self.size = count
        self.seed = seed

    @abstractmethod
    def draw(self, index: int, rng: np.random.Generator) -> T:
        """Draw one phantom.

        Args:
            index: 0 to ``size`` - 1.
            rng: the only source of randomness, from seed and index.
        """

    def __len__(self) -> int:
        return self.size

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> list[T]: ...
    def __getitem__(self, index: int | slice) -> T | list[T]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(self.size))]
        if not -self.size <= index < self.size:
            raise IndexError(index)
        index %= self.size
        return self.draw(index, np.random.default_rng([self.seed, index]))


def phantom_records(make: Callable[[int], Phantoms[Any]], split: str, count: int) -> list[dict[str, Any]]:
    """Make the records of one split of a data set of phantoms.

    Args:
        make: gives a data set of so many phantoms.
        split: ``"training"`` or ``"validation"``.
        count: phantoms for training; validation has others, a quarter as many, at least one.

    Returns:
        A record a phantom: ``drawn``, the data set, and ``index``, the phantom's place in it. The loaders of
        :mod:`kneebundle.datasets` draw it. A record pickles small and always to the same bytes, as MONAI's caches need.

    Example:
        >>> from kneebundle.phantoms import phantom_records
        >>> from kneebundle.phantoms.pa import PhantomKnees
        >>> records = phantom_records(lambda count: PhantomKnees(count, seed=1), "training", 8)
        >>> records[3]["drawn"].side(records[3]["index"])
        'L'
    """
    first = 0
    if split == "validation":
        first, count = _FIRST_IN_VALIDATION, max(1, count // 4)
    phantoms = make(first + count)
    return [{"drawn": phantoms, "index": index} for index in range(first, first + count)]
