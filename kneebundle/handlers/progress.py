"""A progress bar on terminals."""

from __future__ import annotations

import sys
from typing import Any

from ignite.engine import Engine
from ignite.handlers import ProgressBar

__all__ = ["Progress"]


class Progress:
    """Ignite's ProgressBar with the loss, shown on a terminal only, so that log files stay readable.

    Args:
        kwargs: those of the ProgressBar.
    """

    def __init__(self, **kwargs: Any) -> None:
        self.kwargs = kwargs

    def attach(self, engine: Engine) -> None:
        """Attach to the trainer."""
        if sys.stderr.isatty():
            ProgressBar(**self.kwargs).attach(engine, output_transform=_get_loss)


def _get_loss(output: Any) -> dict[str, float]:
    """The loss of a trainer's output, which is a list where the batch was taken apart."""
    first = output[0] if isinstance(output, list) else output
    return {"loss": float(first["loss"])}
