"""The errors of this package: one base class, so that a caller can catch all of them and go on with the next file."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping
from pathlib import Path

__all__ = ["KneeBundleError", "in_brief"]


class KneeBundleError(Exception):
    """Input that cannot be used.

    The message is one line that says what was found and what is needed. It never names an option of the command line:
    ``field`` says what the error is about, and whoever shows it (the command line, a bundle, the Label app) adds what
    to do there, in its own words.

    Args:
        message: that line, without the file.
        path: the file it is about, if there is one; it is put in front of the message.
        field: what would have to be given or changed: ``"spacing_mm"``, ``"side"``, ``"view"``, ``"output"``, ...

    Example:
        >>> error = KneeBundleError("the file states no pixel spacing", "knee.png", field="spacing_mm")
        >>> str(error)
        'knee.png: the file states no pixel spacing'
        >>> error.advised({"spacing_mm": "set image_spacing_mm"})
        'the file states no pixel spacing; set image_spacing_mm'
    """

    def __init__(self, message: str, path: str | Path | None = None, field: str | None = None) -> None:
        self.reason = " ".join(message.split())
        self.path = None if path is None else str(path)
        self.field = field
        super().__init__(self.reason if path is None else f"{path}: {self.reason}")

    def __reduce__(self) -> tuple[type[KneeBundleError], tuple[str, str | None, str | None]]:
        return type(self), (self.reason, self.path, self.field)

    def advised(self, advice: Mapping[str, str]) -> str:
        """The reason, with what to do about its field behind it.

        Args:
            advice: by field, what the user of this program does about it.
        """
        if self.field is None or self.field not in advice:
            return self.reason
        return f"{self.reason}; {advice[self.field]}"


def in_brief(error: BaseException, most: int = 160) -> str:
    """Shorten what an error of a library says to one line; torch lists every key of weights that do not fit.

    "Unexpected" becomes "wrong": a damaged file is nothing that is not expected.
    """
    said = re.sub(r"\bunexpected\b", "wrong", str(error), flags=re.IGNORECASE)
    return textwrap.shorten(said, most, placeholder=" ...")
