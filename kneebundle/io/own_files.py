"""Files that a command writes into a folder that may hold others: only its own are replaced.

The folder's hidden ``.kneebundle/files.json`` has the sha256 of each file that was written so. It is written before the
files are put in place and again after, so that it is known whose they are after a kill, too.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from kneebundle.errors import KneeBundleError
from kneebundle.io.folder_lock import HIDDEN
from kneebundle.io.writing import find_missing, remove_empty_folders, write_atomically

__all__ = ["hold_files"]

_NOTES = "files.json"
_NAMED = 5
_ASIDE = "aside-"
_HOUR_S = 3600.0


@contextmanager
def hold_files(
    folder: Path, names: Sequence[str], is_older: Callable[[Path], bool] = lambda path: False
) -> Iterator[Path]:
    """Write files of these names into a folder, if none of another is in the way.

    The block gets an empty folder to write them into. Only when it ends without an error are they put in place, all
    together; else the folder is as it was before. A file that was changed since it was written is kept as
    ``<name>.changed.<suffix>``.

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
    missing = find_missing(folder / HIDDEN)
    try:
        aside = _make_aside(folder)
        try:
            with _blaming(folder, aside):
                yield aside
            with _blaming(folder, folder):
                _put_in_place(aside, folder, names, known)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    finally:
        remove_empty_folders(missing)


def _make_aside(folder: Path) -> Path:
    hidden = folder / HIDDEN
    try:
        hidden.mkdir(parents=True, exist_ok=True)
        for old in hidden.glob(f"{_ASIDE}*"):  # of a run that was killed
            if time.time() - old.stat().st_mtime > _HOUR_S:
                shutil.rmtree(old, ignore_errors=True)
        return Path(tempfile.mkdtemp(prefix=_ASIDE, dir=hidden))
    except OSError as error:
        raise _unwritable(folder, error) from error


@contextmanager
def _blaming(folder: Path, place: Path) -> Iterator[None]:
    """Say of what cannot be written in a place that it is the folder; what cannot be read is another error."""
    try:
        yield
    except KneeBundleError as error:
        if error.path is None or place not in Path(error.path).parents:
            raise
        raise KneeBundleError(error.reason, folder / Path(error.path).name, error.field) from error
    except OSError as error:
        if isinstance(error.filename, str) and place not in Path(error.filename).parents:
            raise
        raise _unwritable(folder, error) from error


def _unwritable(folder: Path, error: OSError) -> KneeBundleError:
    return KneeBundleError(f"this folder cannot be written to ({error.strerror})", folder, "output")


def _put_in_place(aside: Path, folder: Path, names: Sequence[str], known: Mapping[str, str | None]) -> None:
    made = [name for name in names if (aside / name).is_file()]
    for name in made:
        if known.get(name) not in (None, _hash(folder / name)) and os.path.lexists(folder / name):
            (folder / name).replace(_find_free(folder / name))
    _write_notes(folder, {**known, **dict.fromkeys(made)})
    for name in made:
        (aside / name).replace(folder / name)
    _write_notes(folder, {**known, **{name: mark for name in made if (mark := _hash(folder / name)) is not None}})


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
