"""Paths as text: file names need not be UTF-8, and what is written about them has to be."""

from __future__ import annotations

import os
import re
from pathlib import Path

__all__ = ["find_settings_folder", "find_shown", "identify_path", "show_path"]

_ESCAPED = re.compile(rb"\\x([0-9a-f]{2})")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\x80-\x9f\u2028\u2029]")


def show_path(path: str | Path) -> str:
    r"""Write a path as text that can be encoded, on one line.

    Bytes of a name that are no UTF-8, and control characters, become ``\xNN``; :func:`find_shown` finds the file again.

    Example:
        >>> import os
        >>> print(show_path(os.fsdecode(b"knee_M\xfcller.png")))
        knee_M\xfcller.png
    """
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return _CONTROL.sub(lambda found: "".join(f"\\x{byte:02x}" for byte in found[0].encode()), text)


def find_shown(text: str) -> Path:
    """Give the path that :func:`show_path` wrote; where no such file is there, the text as it is."""
    try:
        os.fsencode(text)
    except UnicodeEncodeError:  # a locale that cannot say it: names of files are UTF-8 nevertheless
        text = os.fsdecode(text.encode("utf-8", "replace"))
    path = Path(text)
    if "\\x" not in text or os.path.lexists(path):
        return path
    raw = _ESCAPED.sub(lambda found: bytes([int(found[1], 16)]), os.fsencode(text))
    other = Path(os.fsdecode(raw))
    return other if b"\0" not in raw and os.path.lexists(other) else path


def identify_path(path: str | Path) -> tuple[str, str]:
    """Name a file in ways that do not depend on how its path is spelled.

    Returns:
        The absolute path without ``..``, and the same with all links followed; loops of links do no harm.
    """
    return os.path.abspath(path), os.path.realpath(path)  # noqa: PTH100, Path.resolve fails on a loop of links


def find_settings_folder() -> Path:
    """The folder of this account for what kneebundle remembers, ``$XDG_CONFIG_HOME/kneebundle``."""
    home = os.environ.get("XDG_CONFIG_HOME") or ""
    base = Path(home) if os.path.isabs(home) else Path.home() / ".config"  # noqa: PTH117
    return base / "kneebundle"
