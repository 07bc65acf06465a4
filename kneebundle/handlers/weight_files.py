"""The two files of weights that a training leaves."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ignite.engine import Engine
from monai.engines import Evaluator
from torch import nn

from kneebundle.handlers.weights import AtomicCheckpointSaver

__all__ = ["WeightFiles"]


class WeightFiles:
    """Handler of a trainer that saves the network's weights, with :class:`AtomicCheckpointSaver`.

    ``model.pt`` has the weights with the best key metric of a validation so far, ``model_last.pt`` those at the end of
    the training. Put it among the objects of a :class:`ResumableCheckpoint`, so that a worse validation after a resume
    does not replace the best weights.

    Args:
        save_dir: where the two files go.
        network: whose weights.
        evaluator: the engine that validates, with a key metric.
    """

    def __init__(self, save_dir: str | Path, network: nn.Module, evaluator: Evaluator) -> None:
        self.evaluator = evaluator
        weights = {"save_dir": str(save_dir), "save_dict": {"model": network}}
        self.best = AtomicCheckpointSaver(**weights, save_key_metric=True, key_metric_filename="model.pt")
        self.last = AtomicCheckpointSaver(**weights, save_final=True, final_filename="model_last.pt")

    def attach(self, engine: Engine) -> None:
        """Attach to the trainer, and to the evaluator."""
        self.best.attach(self.evaluator)
        self.last.attach(engine)

    def state_dict(self) -> dict[str, Any]:
        """The score of ``model.pt``."""
        return self.best.state_dict()

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Restore what :meth:`state_dict` gave."""
        self.best.load_state_dict(dict(state_dict))
