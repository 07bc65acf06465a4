"""A bound on the gradient, so that one odd minibatch cannot undo a training."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from ignite.engine import Engine
from monai.engines import IterationEvents

__all__ = ["GradientClipping"]


class GradientClipping:
    """Handler of a trainer that shortens the gradient of all parameters together to a largest norm before each step.

    Heatmaps that are the product of two maps have gradients with rare, very long outliers. Gradients that a scaler has
    enlarged (training in float16) are brought back first.

    Args:
        parameters: of the network.
        max_norm: in the unit of the loss a unit of a weight; 0: no bound.

    Raises:
        ValueError: if ``max_norm`` is negative.
    """

    def __init__(self, parameters: Iterable[torch.nn.Parameter], max_norm: float) -> None:
        if max_norm < 0:
            raise ValueError(f"max_norm is at least 0, got {max_norm}")
        self.parameters = list(parameters)
        self.max_norm = float(max_norm)

    def attach(self, engine: Engine) -> None:
        """Attach to the trainer."""
        if self.max_norm > 0:
            engine.add_event_handler(IterationEvents.BACKWARD_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Shorten the gradient."""
        scaler: Any = getattr(engine, "scaler", None)
        if scaler is not None:
            scaler.unscale_(engine.optimizer)  # type: ignore[attr-defined]
        torch.nn.utils.clip_grad_norm_(self.parameters, self.max_norm)
