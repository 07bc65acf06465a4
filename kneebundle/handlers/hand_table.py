"""A table of how large a pixel is on each hand, by the landmarks that were found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from kneebundle.datasets.hands import wrist_spacing
from kneebundle.errors import KneeBundleError
from kneebundle.handlers.tables import PredictionTable

__all__ = ["HandTable"]


class HandTable(PredictionTable):
    """Handler of an evaluator that writes ``hands.csv`` into the output folder: path, spacing_mm, confidence.

    The spacing is that by which the two ends of the wrist, as they were found, lie 50 mm apart; empty where they
    coincide. The confidence is the lowest of the hand's landmarks.
    """

    file = "hands.csv"
    columns = ("path", "spacing_mm", "confidence")

    def make_rows(self, item: Mapping[str, Any], output: Mapping[str, Any]) -> Iterator[list[Any]]:
        """Make the row of one hand."""
        pred = np.asarray(output["pred"], dtype=np.float64)
        points = pred[:, :2] / np.array([float(s) for s in item["image_spacing_mm"]])[::-1]
        try:
            spacing = f"{wrist_spacing(points):.5f}"
        except KneeBundleError:
            spacing = ""
        yield [item["path"], spacing, f"{pred[:, 2].min():.4f}"]
