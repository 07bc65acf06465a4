"""The tables that a bundle writes when it is run alone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from ignite.engine import Engine, Events

from kneebundle.io.tables import write_table

__all__ = ["LandmarkTable", "PredictionTable"]


class PredictionTable(ABC):
    """Handler of an evaluator that writes a CSV file of its predictions, once all are there.

    A subclass names the file and its columns and makes the rows of a prediction.

    Args:
        output_dir: the output folder; it is made if it is not there.
    """

    file: ClassVar[str]
    columns: ClassVar[Sequence[str]]

    def __init__(self, output_dir: str | Path) -> None:
        self.path = Path(output_dir) / self.file
        self.rows: list[list[Any]] = []

    def attach(self, engine: Engine) -> None:
        """Attach to the evaluator."""
        engine.add_event_handler(Events.STARTED, self.rows.clear)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._collect)
        engine.add_event_handler(Events.COMPLETED, self._write)

    @abstractmethod
    def make_rows(self, item: Mapping[str, Any], output: Mapping[str, Any]) -> Iterator[list[Any]]:
        """Make the rows of one image.

        Args:
            item: of the batch.
            output: the evaluator's, after its postprocessing.
        """

    def _collect(self, engine: Engine) -> None:
        batch: Any = engine.state.batch
        predictions: Any = engine.state.output
        for item, output in zip(batch, predictions, strict=True):
            self.rows.extend(self.make_rows(item, output))

    def _write(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_table(self.path, self.columns, self.rows)


class LandmarkTable(PredictionTable):
    """Handler of an evaluator that writes ``landmarks.csv`` into the output folder, a row a landmark.

    Columns: path, landmark, x_px, y_px (pixels of the file as it was read), confidence. Items with ``first_landmark``
    count their landmarks from there.
    """

    file = "landmarks.csv"
    columns = ("path", "landmark", "x_px", "y_px", "confidence")

    def make_rows(self, item: Mapping[str, Any], output: Mapping[str, Any]) -> Iterator[list[Any]]:
        """Make the rows of one image, a row a landmark."""
        row_mm, column_mm = (float(s) for s in item["image_spacing_mm"])
        first = int(item.get("first_landmark", 0))
        for number, (x, y, confidence) in enumerate(output["pred"].tolist(), start=first):
            yield [item["path"], number, f"{x / column_mm:.3f}", f"{y / row_mm:.3f}", f"{confidence:.4f}"]
