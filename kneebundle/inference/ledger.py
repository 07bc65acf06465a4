"""What became of the films of a run. Nothing here is slow to import: a process that only keeps a ledger starts at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import dataclass

__all__ = ["Ledger", "Outcome"]


@dataclass(frozen=True)
class Outcome:
    """What became of an image.

    Attributes:
        index: its place in the input.
        refused: why it was not answered, one line; None: it was.
        flagged: whether its answer carries a remark.
    """

    index: int
    refused: str | None = None
    flagged: bool = False


class Ledger:
    """What all workers of a run have begun and answered; it outlives them."""

    def __init__(self) -> None:
        self._begun: Counter[Hashable] = Counter()
        self._outcomes: dict[int, Outcome] = {}

    def begin(self, task: Hashable) -> int:
        """Note that a task is begun now; gives back how often it was begun before."""
        self._begun[task] += 1
        return self._begun[task] - 1

    def tell(self, outcome: Outcome) -> None:
        """Note what became of an image."""
        self._outcomes[outcome.index] = outcome

    def known(self, indices: Iterable[int]) -> dict[int, Outcome]:
        """The outcomes of those images of these indices that have one."""
        return {index: self._outcomes[index] for index in indices if index in self._outcomes}
