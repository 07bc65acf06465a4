"""The landmarks.csv that a bundle writes when it is run alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ignite.engine import Engine, Events

from kneebundle.io.tables import write_table

__all__ = ["LandmarkTable"]


class LandmarkTable:
    """Handler of an evaluator that writes ``OUT/landmarks.csv`` with a row a landmark.

    Columns: path, landmark, x_px, y_px (pixels of the file as it was read), confidence. Items with ``first_landmark`` count
    their landmarks from there.

    Args:
        output_dir: OUT; it is made if need be.
    """

    def __init__(self, output_dir: str | Path) -> None:
        self.path = Path(output_dir) / "landmarks.csv"
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
            row_mm, column_mm = (float(s) for s in item["image_spacing_mm"])
            for number, (x, y, confidence) in enumerate(
                output["pred"].tolist(), start=int(item.get("first_landmark", 0))
            ):
                point = [f"{x / column_mm:.3f}", f"{y / row_mm:.3f}", f"{confidence:.4f}"]
                self.rows.append([item["path"], number, *point])

    def _write(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_table(self.path, ["path", "landmark", "x_px", "y_px", "confidence"], self.rows)
