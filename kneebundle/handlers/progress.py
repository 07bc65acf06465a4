"""A progress bar on terminals."""

from __future__ import annotations

import sys
from typing import Any

from ignite.engine import Engine
from ignite.handlers import ProgressBar
from monai.handlers import from_engine

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
            loss = from_engine("loss", first=True)
            ProgressBar(**self.kwargs).attach(engine, output_transform=lambda output: {"loss": loss(output)})
