"""Write files atomically: whole or not at all. What a killed process left behind is removed."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

__all__ = ["remove_leftovers", "write_atomically"]

_HOUR_S = 3600.0
_PREFIX = ".kneebundle-"
_TEMPORARY = re.compile(r"\.(kneebundle-|ray-)?[0-9a-f]{12}(\.[^.]+){0,2}")


@contextmanager
def write_atomically(path: str | Path) -> Iterator[Path]:
    """Give a temporary path beside ``path`` that replaces it when the block ends without an error.

    The temporary name is hidden and keeps the suffixes, since many writers choose their format by them. On any error,
    an interrupt included, the temporary file is removed and what was at ``path`` before stays as it was.

    Raises:
        OSError: if the folder cannot be written to, or the block wrote nothing.
    """
    path = Path(path)
    temporary = path.with_name(f"{_PREFIX}{uuid4().hex[:12]}{''.join(path.suffixes[-2:])}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def remove_leftovers(folder: Path, older_than_s: float = _HOUR_S) -> None:
    """Remove the hidden temporary files that killed processes left in a folder.

    Args:
        folder: that was written to.
        older_than_s: younger files stay, since another process may be writing them; 0: all are removed, where no other
            process can be.
    """
    for path in folder.glob(".*"):
        if _TEMPORARY.fullmatch(path.name) and path.is_file() and _has_age(path, older_than_s):
            path.unlink(missing_ok=True)


def _has_age(path: Path, least_s: float) -> bool:
    return least_s <= 0 or time.time() - path.stat().st_mtime > least_s
