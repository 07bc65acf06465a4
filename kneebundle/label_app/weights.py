"""Weights of the landmark network: those that came with the app and those that it trained, side by side."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from kneebundle.errors import KneeBundleError
from kneebundle.io.writing import write_atomically

__all__ = [
    "NEWEST",
    "SHIPPED",
    "TrainedWeights",
    "choose_weights",
    "make_training_folder",
    "record_training",
    "list_trained_weights",
]

SHIPPED = "shipped"
NEWEST = "trained"
_RECORD = "training.json"


@dataclass(frozen=True)
class TrainedWeights:
    """Weights of a training that came to its end.

    Attributes:
        name: of the training, its time.
        file: the weights.
        settings: what inference.json must be told for them, such as ``{"spacing_mm": 0.54}``.
    """

    name: str
    file: Path
    settings: dict[str, Any] = field(default_factory=dict)


def list_trained_weights(folder: Path) -> list[TrainedWeights]:
    """List the trainings that came to their end below a folder, oldest first."""
    found = []
    for record in sorted(folder.glob(f"*/{_RECORD}")):
        try:
            content = json.loads(record.read_text(encoding="utf-8"))
            weights = TrainedWeights(record.parent.name, record.parent / content["weights"], content["settings"])
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if weights.file.is_file():
            found.append(weights)
    return found


def choose_weights(folder: Path, name: str) -> TrainedWeights | None:
    """Choose weights by their name.

    Args:
        folder: of the trainings.
        name: ``"shipped"``, ``"trained"`` (the newest training) or the name of a training.

    Returns:
        None for the shipped ones.

    Raises:
        KneeBundleError: if there are none of that name.
    """
    if name == SHIPPED:
        return None
    trainings = list_trained_weights(folder)
    if name == NEWEST and trainings:
        return trainings[-1]
    chosen = [training for training in trainings if training.name == name]
    if not chosen:
        names = ", ".join([SHIPPED, *(training.name for training in trainings)])
        raise KneeBundleError(f"there are no weights {name!r}; there are: {names}", field="weights")
    return chosen[0]


def make_training_folder(folder: Path) -> Path:
    """Make a new folder for a training, named by the time (UTC)."""
    stamp = datetime.now(timezone.utc).strftime("%Y%m%d-%H%M%S")
    for suffix in ("", *(f"-{number}" for number in range(2, 100))):
        path = folder / f"{stamp}{suffix}"
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            continue
        return path
    raise KneeBundleError("a hundred trainings began in this second", folder)


def record_training(folder: Path, weights: str, settings: dict[str, Any], **remarks: Any) -> TrainedWeights:
    """Record that a training in this folder came to its end; from then on its weights can be chosen.

    Args:
        folder: of :func:`make_training_folder`.
        weights: name of the file in it.
        settings: see :class:`TrainedWeights`.
        remarks: what else is to be kept.

    Raises:
        KneeBundleError: if the file is not there.
    """
    file = folder / weights
    if not file.is_file():
        raise KneeBundleError(f"the training left no {weights}; see the server's log", folder)
    with write_atomically(folder / _RECORD) as temporary:
        content = {"weights": weights, "settings": settings, **remarks}
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return TrainedWeights(folder.name, file, settings)
