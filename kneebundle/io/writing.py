"""Files are written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

__all__ = ["write_whole"]


@contextmanager
def write_whole(path: str | Path) -> Iterator[Path]:
    """Give a temporary path beside ``path`` that takes its place when the block ends without an error.

    The temporary name is hidden and keeps the suffixes, since many writers choose their format by them. On any error,
    an interrupt included, the temporary file is removed and what was at ``path`` before stays as it was.

    Raises:
        OSError: if the folder cannot be written to, or the block wrote nothing.
    """
    path = Path(path)
    temporary = path.with_name(f".{uuid4().hex[:12]}{''.join(path.suffixes[-2:])}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
