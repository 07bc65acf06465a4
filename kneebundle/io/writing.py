"""Write files atomically: whole or not at all. What a killed process left behind is removed."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

__all__ = ["find_missing", "remove_empty_folders", "remove_leftovers", "write_atomically", "write_together"]

_HOUR_S = 3600.0
_PREFIX = ".kneebundle-"
_TEMPORARY = re.compile(r"\.(kneebundle-|ray-)?[0-9a-f]{12}(\.[^.]+){0,2}")


@contextmanager
def write_atomically(path: str | Path) -> Iterator[Path]:
    """Give a temporary path beside ``path`` that replaces it when the block ends without an error.

    The temporary name is hidden and keeps the suffixes, since many writers choose their format by them. On any error,
    an interrupt included, the temporary file is removed and what was at ``path`` before stays as it was.

    Raises:
        OSError: if the folder cannot be written to, or the block wrote nothing; it names ``path``.
    """
    path = Path(path)
    temporary = path.with_name(f"{_PREFIX}{uuid4().hex[:12]}{''.join(path.suffixes[-2:])}")
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        cause = error
        while cause.errno is None and isinstance(cause.__cause__, OSError):  # pydicom makes a page of text of it
            cause = cause.__cause__
        if cause.errno is None or cause.filename not in (None, str(temporary)):
            raise
        raise OSError(cause.errno, cause.strerror, str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def write_together(folder: Path) -> Iterator[Path]:
    """Give an empty folder whose files are put into ``folder`` when the block ends without an error.

    On any error, an interrupt included, the folder is as it was before; one that was not there is not.

    Args:
        folder: made if it is not there.
    """
    missing = find_missing(folder)
    aside = folder / f"{_PREFIX}{uuid4().hex[:12]}"
    try:
        aside.mkdir(parents=True)
        yield aside
        for path in sorted(path for path in aside.rglob("*") if not path.is_dir()):
            target = folder / path.relative_to(aside)
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)
    except OSError as error:
        if error.errno is None or not str(error.filename).startswith(f"{aside}{os.sep}"):
            raise
        raise OSError(error.errno, error.strerror, str(folder / Path(error.filename).relative_to(aside))) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
        remove_empty_folders(missing)


def find_missing(folder: Path) -> list[Path]:
    """The folders that have to be made for a folder to be there, it first."""
    return [path for path in (folder, *folder.parents) if not os.path.lexists(path)]


def remove_empty_folders(folders: Iterable[Path]) -> None:
    """Remove folders, each that is empty by then."""
    for folder in folders:
        with suppress(OSError):
            folder.rmdir()


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
