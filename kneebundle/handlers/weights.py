"""MONAI's CheckpointSaver with files that are written whole or not at all, and with a memory of its best score."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from ignite import distributed as idist
from ignite.engine import Engine
from ignite.handlers import DiskSaver
from monai.handlers import CheckpointSaver

from kneebundle.io.writing import write_atomically

__all__ = ["AtomicCheckpointSaver", "AtomicDiskSaver"]


class AtomicDiskSaver(DiskSaver):
    """Ignite's DiskSaver that writes under a temporary name and renames.

    The name is one that :func:`kneebundle.io.remove_leftovers` knows again after the process was killed.

    Args:
        folder: where the files go; it is made if it is not there.
        filename: a fixed name, under which the older file stays until the newer one is whole; None: the name that each
            call gives.
    """

    def __init__(self, folder: str | Path, filename: str | None = None) -> None:
        super().__init__(folder, require_empty=False)
        self.filename = filename

    def __call__(self, checkpoint: Mapping, filename: str, metadata: Mapping | None = None) -> None:
        """Write a file."""
        if idist.get_rank() == self.save_on_rank:
            with (
                write_atomically(self.dirname / (self.filename or filename)) as temporary,
                temporary.open("wb") as file,
            ):
                torch.save(checkpoint, file)

    def remove(self, filename: str) -> None:
        """Remove a file, unless it has the fixed name."""
        if self.filename is None:
            super().remove(filename)


class AtomicCheckpointSaver(CheckpointSaver):
    """MONAI's CheckpointSaver, same arguments, with three differences.

    A file is written under a temporary name and renamed. It has a ``state_dict``, the scores of the best files so
    far, so that after a resume a worse epoch does not replace the best weights: put it among the objects of a
    :class:`ResumableCheckpoint`. And a training that breaks off writes no final file: what is there under that name
    was trained to its end.

    For weights that ``torch.load(weights_only=True)`` and ``load_state_dict`` take as they are, save one object:
    ``save_dict={"model": network}, save_key_metric=True, key_metric_filename="model.pt"``.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for part in (self._final_checkpoint, self._key_metric_checkpoint, self._interval_checkpoint):
            if part is not None:
                monai_saver: Any = part.save_handler
                part.save_handler = AtomicDiskSaver(self.save_dir, monai_saver.filename)

    def exception_raised(self, engine: Engine, e: Exception) -> None:
        """Save nothing: MONAI would write the weights of that moment as the final ones."""
        raise e

    def state_dict(self) -> dict[str, Any]:
        """Scores and names of the best files; empty where it does not save by key metric."""
        if self._key_metric_checkpoint is None:
            return {}
        return {"saved": [tuple(item) for item in self._key_metric_checkpoint._saved]}

    def load_state_dict(self, state_dict: dict) -> None:
        """Restore what :meth:`state_dict` gave."""
        if self._key_metric_checkpoint is not None and "saved" in state_dict:
            self._key_metric_checkpoint.load_state_dict({"_saved": state_dict["saved"]})
