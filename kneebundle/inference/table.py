"""The tables that a bundle writes when it is run alone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from ignite.engine import Engine, Events

from kneebundle.io.tables import write_table

__all__ = ["AnswerTable", "LandmarkTable"]


class AnswerTable(ABC):
    """Handler of an evaluator that writes a CSV file of its answers, once all are there.

    A subclass names the file and its columns and makes the rows of an answer.

    Args:
        output_dir: OUT; it is made if need be.
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
    def rows_of(self, item: Mapping[str, Any], output: Mapping[str, Any]) -> Iterator[list[Any]]:
        """The rows of one image.

        Args:
            item: of the batch.
            output: the evaluator's, after its postprocessing.
        """

    def _collect(self, engine: Engine) -> None:
        batch: Any = engine.state.batch
        answers: Any = engine.state.output
        for item, output in zip(batch, answers, strict=True):
            self.rows.extend(self.rows_of(item, output))

    def _write(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_table(self.path, self.columns, self.rows)


class LandmarkTable(AnswerTable):
    """Handler of an evaluator that writes ``OUT/landmarks.csv`` with a row a landmark.

    Columns: path, landmark, x_px, y_px (pixels of the file as it was read), confidence. Items with ``first_landmark`` count
    their landmarks from there.
    """

    file = "landmarks.csv"
    columns = ("path", "landmark", "x_px", "y_px", "confidence")

    def rows_of(self, item: Mapping[str, Any], output: Mapping[str, Any]) -> Iterator[list[Any]]:
        row_mm, column_mm = (float(s) for s in item["image_spacing_mm"])
        first = int(item.get("first_landmark", 0))
        for number, (x, y, confidence) in enumerate(output["pred"].tolist(), start=first):
            yield [item["path"], number, f"{x / column_mm:.3f}", f"{y / row_mm:.3f}", f"{confidence:.4f}"]
