"""The table that a bundle of a classifier writes when it is run alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch

from kneebundle.handlers.tables import PredictionTable
from kneebundle.pipelines.knee_check import CLASSES

__all__ = ["ClassTable"]


class ClassTable(PredictionTable):
    """Handler of an evaluator that writes ``classes.csv`` into the output folder, a row an image.

    Columns: path, class (the likeliest of :data:`kneebundle.pipelines.CLASSES`) and the probability of each class.
    """

    file = "classes.csv"
    columns = ("path", "class", *CLASSES)

    def make_rows(self, item: Mapping[str, Any], output: Mapping[str, Any]) -> Iterator[list[Any]]:
        """Make the one row of an image."""
        logits = torch.as_tensor(output["pred"]).flatten()[: len(CLASSES)]
        shares = torch.softmax(logits.double(), dim=0).tolist()
        likeliest = CLASSES[max(range(len(CLASSES)), key=shares.__getitem__)]
        yield [item["path"], likeliest, *(f"{share:.4f}" for share in shares)]
