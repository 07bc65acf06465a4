"""The files that the registration bundle writes when it runs alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ignite.engine import Engine, Events

from kneebundle.batch.names import output_names
from kneebundle.reports.registration_report import write_registration

__all__ = ["RegistrationFiles"]


class RegistrationFiles:
    """Handler of an evaluator that writes the files of each :class:`RegistrationResult` under ``pred``.

    Args:
        output_dir: the output folder; it is made if it is not there.
    """

    def __init__(self, output_dir: str | Path) -> None:
        self.folder = Path(output_dir)
        self.names: list[str] = []

    def attach(self, engine: Engine) -> None:
        """Attach to the evaluator."""
        engine.add_event_handler(Events.STARTED, self.names.clear)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._write)

    def _write(self, engine: Engine) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        predictions: Any = engine.state.output
        for item in predictions:
            result = item["pred"]
            (name,) = output_names([Path(result.path)], self.names)
            self.names.append(name)
            write_registration(result, self.folder, name)
