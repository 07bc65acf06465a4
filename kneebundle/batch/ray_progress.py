"""How far the workers of a run with Ray are.

Nothing here is slow to import: the process that keeps the progress starts at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kneebundle.batch.engine import Outcome

__all__ = ["Progress"]


class Progress:
    """What all workers of a run have started and finished; it outlives them.

    Example:
        >>> from kneebundle.batch.engine import Outcome
        >>> progress = Progress()
        >>> progress.count_start("images 0 to 15"), progress.count_start("images 0 to 15")
        (0, 1)
        >>> progress.report(Outcome(3))
        >>> sorted(progress.find_outcomes([2, 3]))
        [3]
    """

    def __init__(self) -> None:
        self._starts: Counter[Hashable] = Counter()
        self._outcomes: dict[int, Outcome] = {}

    def count_start(self, task: Hashable) -> int:
        """Note that a task is started now; gives back how often it was started before."""
        self._starts[task] += 1
        return self._starts[task] - 1

    def report(self, outcome: Outcome) -> None:
        """Note what became of an image."""
        self._outcomes[outcome.index] = outcome

    def find_outcomes(self, indices: Iterable[int]) -> dict[int, Outcome]:
        """The outcomes of those images of these indices that are finished."""
        return {index: self._outcomes[index] for index in indices if index in self._outcomes}
