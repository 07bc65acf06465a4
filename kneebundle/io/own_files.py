"""Files that a command writes into a folder that may hold others: only its own are replaced.

The folder's hidden ``.kneebundle/files.json`` has the sha256 of each file that was written so. It is written before the
files and again after, so that it is known whose they are after a kill, too.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from kneebundle.errors import KneeBundleError
from kneebundle.io.folder_lock import HIDDEN
from kneebundle.io.writing import write_atomically

__all__ = ["hold_files"]

_NOTES = "files.json"
_NAMED = 5


@contextmanager
def hold_files(
    folder: Path, names: Sequence[str], is_older: Callable[[Path], bool] = lambda path: False
) -> Iterator[None]:
    """Write files of these names into a folder while the block runs, if none of another is in the way.

    A file that was changed since it was written is kept as ``<name>.changed.<suffix>``.

    Args:
        folder: made if it is not there.
        names: of the files.
        is_older: tells whether a file was written by a version that kept no notes.

    Raises:
        KneeBundleError: if a file is there that kneebundle did not write, or the folder cannot be written to.
    """
    known = _read_notes(folder)
    there = [name for name in names if os.path.lexists(folder / name)]
    foreign = [name for name in there if name not in known and not is_older(folder / name)]
    if foreign:
        more = f" and {len(foreign) - _NAMED} more" if len(foreign) > _NAMED else ""
        raise KneeBundleError(
            "files of these names are there that kneebundle did not write, and it does not touch them: "
            f"{', '.join(foreign[:_NAMED])}{more}; move them away",
            folder,
            "output",
        )
    try:
        for name in there:
            if known.get(name) not in (None, _hash(folder / name)):
                (folder / name).replace(_find_free(folder / name))
        _write_notes(folder, {**known, **dict.fromkeys(names)})
        yield
        _write_notes(folder, {**known, **{name: mark for name in names if (mark := _hash(folder / name)) is not None}})
    except OSError as error:
        raise KneeBundleError(f"this folder cannot be written to ({error.strerror})", folder, "output") from error


def _read_notes(folder: Path) -> dict[str, str | None]:
    try:
        content = json.loads((folder / HIDDEN / _NOTES).read_text(encoding="utf-8"))
        return {str(name): None if mark is None else str(mark) for name, mark in content.items()}
    except (OSError, ValueError, AttributeError, RecursionError):
        return {}


def _write_notes(folder: Path, notes: Mapping[str, str | None]) -> None:
    (folder / HIDDEN).mkdir(parents=True, exist_ok=True)
    with write_atomically(folder / HIDDEN / _NOTES) as temporary:
        temporary.write_text(json.dumps(notes) + "\n", encoding="utf-8")


def _hash(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None


def _find_free(path: Path) -> Path:
    plain = path.with_name(f"{path.stem}.changed{path.suffix}")
    numbered = (path.with_name(f"{path.stem}.changed-{number}{path.suffix}") for number in itertools.count(2))
    return next(free for free in itertools.chain([plain], numbered) if not os.path.lexists(free))
