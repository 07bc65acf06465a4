"""The cumulative error plot of an evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ignite.engine import Engine, Events

from kneebundle.evaluation.error_curve import save_error_curves

__all__ = ["CumulativeErrorPlot"]


class CumulativeErrorPlot:
    """Handler of an evaluator that saves the cumulative error curves when the evaluation is complete.

    Args:
        stem: path without ending, see :func:`save_error_curves`; a later evaluation overwrites it.
        metrics: by the name of the curve, the name under which a :class:`LandmarkMetric` is attached to the evaluator
            (with ``save_details``, the default of IgniteMetricHandler).
        landmarks: ids to count; None: all.
        limit_mm: the largest radius.

    Raises:
        ValueError: when evaluating, if the engine has no such metric.
    """

    def __init__(
        self,
        stem: str | Path,
        metrics: Mapping[str, str],
        landmarks: Sequence[int] | None = None,
        limit_mm: float = 5.0,
    ) -> None:
        self.stem = Path(stem)
        self.metrics = dict(metrics)
        self.landmarks = landmarks
        self.limit_mm = limit_mm

    def attach(self, engine: Engine) -> None:
        """Attach to the evaluator."""
        engine.add_event_handler(Events.COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Save the curves."""
        errors = {label: self._find_errors(engine, name) for label, name in self.metrics.items()}
        save_error_curves(errors, self.stem, self.landmarks, self.limit_mm)

    def _find_errors(self, engine: Engine, name: str) -> np.ndarray:
        state: Any = engine.state
        details = state.metric_details.get(name)
        if not isinstance(details, torch.Tensor):
            raise ValueError(f"the evaluator has no landmark metric {name!r}; it has {sorted(state.metric_details)}")
        return details.cpu().numpy()
