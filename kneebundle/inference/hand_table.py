"""How large a pixel is on each hand, by the points that were found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from ignite.engine import Engine, Events

from kneebundle.datasets.hands import wrist_spacing
from kneebundle.errors import KneeBundleError
from kneebundle.io.tables import write_table

__all__ = ["HandTable"]


class HandTable:
    """Handler of an evaluator that writes ``OUT/hands.csv``: path, spacing_mm, confidence.

    The spacing is that by which the two ends of the wrist, as they were found, lie 50 mm apart; empty where they coincide.
    The confidence is the lowest of the hand's landmarks.

    Args:
        output_dir: OUT; it is made if need be.
    """

    def __init__(self, output_dir: str | Path) -> None:
        self.path = Path(output_dir) / "hands.csv"
        self.rows: list[list[Any]] = []

    def attach(self, engine: Engine) -> None:
        """Attach to the evaluator."""
        engine.add_event_handler(Events.STARTED, self.rows.clear)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._collect)
        engine.add_event_handler(Events.COMPLETED, self._write)

    def _collect(self, engine: Engine) -> None:
        batch: Any = engine.state.batch
        answers: Any = engine.state.output
        for item, output in zip(batch, answers, strict=True):
            pred = np.asarray(output["pred"], dtype=np.float64)
            points = pred[:, :2] / np.array([float(s) for s in item["image_spacing_mm"]])[::-1]
            try:
                spacing = f"{wrist_spacing(points):.5f}"
            except KneeBundleError:
                spacing = ""
            self.rows.append([item["path"], spacing, f"{pred[:, 2].min():.4f}"])

    def _write(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_table(self.path, ["path", "spacing_mm", "confidence"], self.rows)
