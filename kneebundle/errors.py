"""The refusals of this package: one base class, so that a caller can catch all of them and go on with the next file."""

from __future__ import annotations

from pathlib import Path

__all__ = ["KneeBundleError"]


class KneeBundleError(Exception):
    """Input that cannot be used.

    The message is one line that says what was found, what is needed and what to do.

    Args:
        message: that line, without the file.
        path: the file it is about, if there is one; it is put in front of the message.
    """

    def __init__(self, message: str, path: str | Path | None = None) -> None:
        self.reason = " ".join(message.split())
        self.path = None if path is None else str(path)
        super().__init__(self.reason if path is None else f"{path}: {self.reason}")
