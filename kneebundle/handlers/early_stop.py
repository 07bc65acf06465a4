"""Early stop that can be saved and resumed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ignite.engine import Engine, Events
from ignite.handlers import EarlyStopping
from monai.engines import Evaluator

__all__ = ["EarlyStop"]


class EarlyStop:
    """Handler of a trainer that ends it when the validation's key metric has not improved for some validations.

    Unlike MONAI's EarlyStopHandler it is a handler of the trainer, so that a config needs no later ``set_trainer``,
    and it has a ``state_dict``: put it among the objects of a :class:`ResumableCheckpoint`. A resumed training that had
    been ended this way ends at once, unless ``patience`` was raised.

    Args:
        patience: number of validations without improvement.
        evaluator: the engine that validates; its key metric is looked at.
        greater_is_better: the direction of the metric.

    Raises:
        ValueError: if ``patience`` is below 1, or, when validating, the evaluator has no key metric.
    """

    def __init__(self, patience: int, evaluator: Evaluator, greater_is_better: bool = True) -> None:
        if patience < 1:
            raise ValueError(f"patience is at least 1, got {patience}")
        self.patience = int(patience)
        self.evaluator = evaluator
        self.sign = 1.0 if greater_is_better else -1.0
        self._stopping: EarlyStopping | None = None
        self._state: Mapping[str, Any] | None = None

    def attach(self, engine: Engine) -> None:
        """Attach to the trainer."""
        self._stopping = EarlyStopping(self.patience, self._score, engine)
        if self._state is not None:
            self._stopping.load_state_dict(self._state)
        self.evaluator.add_event_handler(Events.COMPLETED, self._stopping)

    @property
    def is_over(self) -> bool:
        """Whether patience has run out."""
        return self._stopping is not None and self._stopping.counter >= self.patience

    def state_dict(self) -> dict[str, Any]:
        """Validations without improvement so far, and the best score."""
        return {} if self._stopping is None else dict(self._stopping.state_dict())

    def load_state_dict(self, state_dict: Mapping) -> None:
        """Restore what :meth:`state_dict` gave."""
        self._state = state_dict or None
        if self._stopping is not None and state_dict:
            self._stopping.load_state_dict(state_dict)

    def _score(self, engine: Engine) -> float:
        state: Any = engine.state
        name = state.key_metric_name
        if name is None:
            raise ValueError("early stop looks at the evaluator's key metric, and it has none")
        score = self.sign * float(state.metrics[name])
        return -math.inf if math.isnan(score) else score
