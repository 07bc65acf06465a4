"""Show how far a run is: a bar on a terminal, a line now and then where stderr is a log."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["ProgressDisplay", "show_progress"]

_FIRST_S = 5.0
_EVERY_S = 30.0


class ProgressDisplay:
    """Counts images; nothing is shown.

    Args:
        total: images of the run.
        before: of them, those that were done before.
    """

    def __init__(self, total: int, before: int) -> None:
        self.total = total
        self.before = before
        self.done = 0
        self.refused = 0

    def count(self, refused: bool) -> None:
        """Count one more image."""
        self.done += 1
        self.refused += refused

    def describe(self, seconds: float) -> str:
        """Say in one line how far it is."""
        left = self.total - self.before - self.done
        pace = f", about {_format_time(seconds / self.done * left)} left" if self.done and left else ""
        refused = f", {self.refused} refused" if self.refused else ""
        return f"{self.before + self.done} of {self.total} images after {_format_time(seconds)}{refused}{pace}"


@contextmanager
def show_progress(
    total: int, before: int, shown: bool, first_s: float = _FIRST_S, every_s: float = _EVERY_S
) -> Iterator[ProgressDisplay]:
    """Show the progress of the block on stderr.

    Args:
        total: images of the run.
        before: of them, those that were done before.
        shown: whether anything is to be shown.
        first_s, every_s: when lines are written where stderr is no terminal.
    """
    display = ProgressDisplay(total, before)
    if not shown:
        yield display
    elif sys.stderr.isatty():
        with _Bar(total, before) as bar:
            yield bar
    else:
        ended = threading.Event()
        writer = threading.Thread(target=_write_lines, args=(display, ended, first_s, every_s), daemon=True)
        writer.start()
        try:
            yield display
        finally:
            ended.set()
            writer.join()


class _Bar(ProgressDisplay):
    def __init__(self, total: int, before: int) -> None:
        from tqdm import tqdm

        super().__init__(total, before)
        self._bar = tqdm(total=total, initial=before, unit="image")

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.close()

    def count(self, refused: bool) -> None:
        super().count(refused)
        self._bar.update()


def _write_lines(display: ProgressDisplay, ended: threading.Event, first_s: float, every_s: float) -> None:
    started = time.monotonic()
    wait = first_s
    while not ended.wait(wait):
        print(f"kneebundle: {display.describe(time.monotonic() - started)}", file=sys.stderr, flush=True)
        wait = every_s


def _format_time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
