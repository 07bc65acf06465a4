"""Checkpoints from which a training resumes as if it had never stopped."""

from __future__ import annotations

import logging
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ignite import distributed as idist
from ignite.engine import Engine, Events
from monai.engines import Evaluator
from monai.handlers import CheckpointLoader
from torch import nn

from kneebundle.errors import KneeBundleError, in_brief
from kneebundle.handlers.early_stop import EarlyStop
from kneebundle.handlers.weights import AtomicDiskSaver
from kneebundle.io.writing import remove_leftovers

__all__ = ["BestMetric", "RandomStates", "ResumableCheckpoint"]


class RandomStates:
    """The states of the global random numbers of Python, NumPy and PyTorch (CPU and CUDA)."""

    def state_dict(self) -> dict[str, Any]:
        """The states now."""
        numpy_state: Any = np.random.get_state(legacy=True)
        return {
            "python": random.getstate(),
            "numpy": (numpy_state[0], torch.from_numpy(numpy_state[1].astype(np.int64)), *numpy_state[2:]),
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        }

    def load_state_dict(self, state_dict: Mapping) -> None:
        """Set the states; those of CUDA where there are as many devices as there were."""
        random.setstate(state_dict["python"])
        name, key, *rest = state_dict["numpy"]
        np.random.set_state((name, key.cpu().numpy().astype(np.uint32), *rest))
        torch.set_rng_state(state_dict["torch"].cpu())
        if state_dict["cuda"] and torch.cuda.device_count() == len(state_dict["cuda"]):
            torch.cuda.set_rng_state_all([state.cpu() for state in state_dict["cuda"]])


class BestMetric:
    """The best key metric of an evaluator and its epoch."""

    def __init__(self, evaluator: Evaluator) -> None:
        self.evaluator = evaluator

    def state_dict(self) -> dict[str, Any]:
        """The best so far."""
        state = self.evaluator.state
        return {"best_metric": float(state.best_metric), "best_metric_epoch": int(state.best_metric_epoch)}

    def load_state_dict(self, state_dict: Mapping) -> None:
        """Restore what :meth:`state_dict` gave."""
        self.evaluator.state.best_metric = state_dict["best_metric"]
        self.evaluator.state.best_metric_epoch = state_dict["best_metric_epoch"]


class ResumableCheckpoint:
    """Handler of a trainer that saves everything after each epoch, and resumes from there if asked to.

    Besides ``objects`` it saves the trainer (epoch, iteration, and whatever its ``state_dict`` adds), its gradient
    scaler if it has one, the evaluator's best metric and the global random states. It saves after all other handlers of
    the epoch, wherever it stands in their list, into one file that is written under a temporary name and renamed, and
    that ``torch.load(weights_only=True)`` reads.

    Training that was stopped, at the end of an epoch or within one, then gives the same weights bit for bit as
    training that was not, if the data come from a :class:`ReproducibleLoader`, each epoch is one pass over it, and the
    computation itself is deterministic (on one CPU; on CUDA see ``torch.use_deterministic_algorithms``). In distributed
    training process 0 writes and its random states go to all, so there it is exact only up to dropout and the like.

    Args:
        path: the file, e.g. ``OUT/checkpoint.pt``.
        objects: what to save by name, each with ``state_dict`` and ``load_state_dict``: network, optimizer, scheduler,
            :class:`EarlyStop`, :class:`AtomicCheckpointSaver`, a loss with parameters.
        evaluator: the engine that validates, if there is one.
        resume: resume from ``path`` if it exists; otherwise start anew and overwrite it.
        every: save after every so many epochs, and after the last.

    Raises:
        ValueError: if an object cannot be saved or takes a name that this handler uses.
        KneeBundleError: at the start, if the file cannot be read or is of a different training.
    """

    def __init__(
        self,
        path: str | Path,
        objects: Mapping[str, Any],
        evaluator: Evaluator | None = None,
        resume: bool = False,
        every: int = 1,
    ) -> None:
        self.path = Path(path)
        self.objects: dict[str, Any] = {name: _unwrap(item) for name, item in objects.items()}
        for name, item in self.objects.items():
            if not (hasattr(item, "state_dict") and hasattr(item, "load_state_dict")):
                raise ValueError(f"{name} is a {type(item).__name__}, which has no state_dict to save")
            if name in ("trainer", "random", "best_metric", "scaler"):
                raise ValueError(f"{name} is a name that this handler uses itself; choose another")
        if evaluator is not None:
            self.objects["best_metric"] = BestMetric(evaluator)
        self.resume = resume
        self.every = int(every)

    def attach(self, engine: Engine) -> None:
        """Attach to the trainer."""
        self.objects["trainer"] = engine
        self.objects["random"] = RandomStates()
        if getattr(engine, "scaler", None) is not None:
            self.objects["scaler"] = engine.scaler  # type: ignore[attr-defined]
        engine.add_event_handler(Events.STARTED, self._start)

    def _start(self, engine: Engine) -> None:
        if idist.get_rank() == 0:
            remove_leftovers(self.path.parent, 0)
        if self.resume and self.path.is_file():
            self._load(engine)
        self.resume = False
        if not engine.has_event_handler(self._save, Events.EPOCH_COMPLETED):
            engine.add_event_handler(Events.EPOCH_COMPLETED, self._save)

    def _load(self, engine: Engine) -> None:
        try:
            CheckpointLoader(str(self.path), self.objects, map_location="cpu")(engine)  # type: ignore[arg-type]
        except Exception as error:
            raise KneeBundleError(
                f"cannot resume from this checkpoint ({in_brief(error)}); give the settings it was made with, "
                "or train anew",
                self.path,
                field="resume",
            ) from error
        logging.getLogger(__name__).info("resuming after epoch %d of %s", engine.state.epoch, self.path)
        if any(isinstance(item, EarlyStop) and item.is_over for item in self.objects.values()):
            engine.terminate()

    def _save(self, engine: Engine) -> None:
        last = engine.state.epoch == engine.state.max_epochs or bool(engine.should_terminate)
        if engine.state.epoch % self.every == 0 or last:
            states = {name: item.state_dict() for name, item in self.objects.items()}
            AtomicDiskSaver(self.path.parent)(states, self.path.name)


def _unwrap(item: Any) -> Any:
    parallel = (nn.DataParallel, nn.parallel.DistributedDataParallel)
    return item.module if isinstance(item, parallel) else item
