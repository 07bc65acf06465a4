"""The refusals of this package: one base class, so that a caller can catch all of them and go on with the next file."""

from __future__ import annotations

import textwrap
from pathlib import Path

__all__ = ["KneeBundleError", "in_brief"]


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


def in_brief(error: BaseException, most: int = 160) -> str:
    """What an error says, in one line of so many characters at most; torch lists every key of weights that do not fit."""
    return textwrap.shorten(str(error), most, placeholder=" ...")
