"""What an output folder knows of the files in it: an entry for each image, and one for the tables.

An entry is a small JSON file in ``.kneebundle/results``. It is written before the files of an image are put in place,
and again when all of them are, so that after a run was killed at any moment it is known which files are its own. What
no entry names was not written by kneebundle.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from kneebundle.io.file_content import FileState, hash_content
from kneebundle.io.folder_lock import HIDDEN
from kneebundle.io.paths import identify_path
from kneebundle.io.pseudonyms import Pseudonyms
from kneebundle.io.writing import write_atomically

__all__ = ["Entries", "Entry", "describe_file", "hash_paths"]

_SCHEMA = "kneebundle/result/1"
_RACY_NS = 2_000_000_000


@dataclass(frozen=True)
class Entry:
    """What is known of one result.

    Attributes:
        keys: hashes of the image's path, see :func:`hash_paths`.
        files: size and sha256 of each file by its name in the output folder; None: it may be being written.
        complete: whether all files were put in place.
        source: sha256 of the image's content; None: not known.
        state: of the image's file when it was read; a quick way to know that the content is the same.
        request: what the user knew of the image.
        made_with: what else the result depends on: options, bundles and the sha256 of their files.
        formats: that were written.
        version: of kneebundle.
    """

    keys: tuple[str, ...] = ()
    files: Mapping[str, tuple[int, str] | None] = field(default_factory=dict)
    complete: bool = False
    source: str | None = None
    state: FileState | None = None
    request: Mapping[str, Any] = field(default_factory=dict)
    made_with: Mapping[str, Any] = field(default_factory=dict)
    formats: tuple[str, ...] = ()
    version: str = ""

    def find_record(self, name: str) -> str | None:
        """Name of the JSON document among the files; None where there is none."""
        return next((file for file in (f"{name}.json", f".records/{name}.json") if file in self.files), None)


def hash_paths(path: str | Path, folder: Path, pseudonyms: Pseudonyms | None = None) -> tuple[str, ...]:
    """Hash the ways in which an image is known again: its absolute path, that without links, and from a folder.

    The last holds where images and output folder have moved together. Hashes, since a path may name a patient; those of
    pseudonyms cannot be tested by guessing.
    """
    plain, real = identify_path(path)
    named = (plain, real, f"./{os.path.relpath(real, os.path.realpath(folder))}")
    if pseudonyms is not None:
        return tuple(pseudonyms.digest("key", text)[:24] for text in named)
    return tuple(hashlib.sha256(os.fsencode(text)).hexdigest()[:24] for text in named)


class Entries:
    """The entries of an output folder.

    Args:
        folder: the output folder.
        pseudonyms: where there are some, nothing is written by which an image could be known again without their salt.
    """

    def __init__(self, folder: Path, pseudonyms: Pseudonyms | None = None) -> None:
        self.folder = folder
        self.pseudonyms = pseudonyms
        self._place = folder / HIDDEN / "results"
        self._tables = folder / HIDDEN / "tables.json"

    def read_all(self) -> dict[str, Entry]:
        """All entries by the name of their results, sorted; one that is damaged has no content."""
        names = sorted(file.name[: -len(".json")] for file in self._place.glob("*.json"))
        return {name: self.read(name) or Entry() for name in names}

    def read(self, name: str) -> Entry | None:
        """The entry of a result; None where there is none, or it is damaged."""
        try:
            content = json.loads(self._file(name).read_text(encoding="utf-8"))
            if content.pop("schema") != _SCHEMA:
                return None
            known = Entry(**content)
            state = None if known.state is None else tuple((p[0], p[1], p[2], p[3]) for p in known.state)
            return replace(
                known, keys=tuple(known.keys), formats=tuple(known.formats), files=_read_files(known.files), state=state
            )
        except (OSError, ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError):
            return None

    def write(self, name: str, entry: Entry) -> None:
        """Write the entry of a result, atomically."""
        self._place.mkdir(parents=True, exist_ok=True)
        _write(self._file(name), {"schema": _SCHEMA, **asdict(entry)})

    def remove(self, name: str) -> None:
        """Forget a result."""
        self._file(name).unlink(missing_ok=True)

    def is_intact(self, name: str, entry: Entry) -> bool:
        """Whether all files of a result are there as they were written."""
        try:
            written_ns = self._file(name).stat().st_mtime_ns
        except OSError:
            return False
        return all(self._is_same(file, mark, written_ns) for file, mark in entry.files.items())

    def is_current(self, name: str, entry: Entry, file: Path, state: FileState) -> bool:
        """Whether an image still has the content that a result was made from.

        Args:
            name: of the result.
            entry: of the result.
            file: of the image.
            state: of that file now.
        """
        if entry.source is None:
            return False
        try:
            written_ns = self._file(name).stat().st_mtime_ns
        except OSError:
            return False
        settled = all(max(part[1], part[2]) + _RACY_NS < written_ns for part in state)
        return (settled and state == entry.state) or self.hash_source(file) == entry.source

    def hash_source(self, file: Path) -> str | None:
        """Hash the content of an image; None where it cannot be read."""
        digest = hash_content(file)
        return digest if digest is None or self.pseudonyms is None else self.pseudonyms.digest("content", digest)

    def read_tables(self) -> dict[str, tuple[int, str] | None]:
        """Size and sha256 of each table of the folder by name; None: it may be being written."""
        try:
            return _read_files(json.loads(self._tables.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError):
            return {}

    def write_tables(self, tables: Mapping[str, tuple[int, str] | None]) -> None:
        """Write which tables are the folder's own."""
        self._tables.parent.mkdir(parents=True, exist_ok=True)
        _write(self._tables, dict(tables))

    def describe(self, names: Iterable[str]) -> dict[str, tuple[int, str] | None]:
        """Size and sha256 of files of the folder, of those that are there."""
        return {name: mark for name in names if (mark := describe_file(self.folder / name)) is not None}

    def _file(self, name: str) -> Path:
        return self._place / f"{name}.json"

    def _is_same(self, file: str, mark: tuple[int, str] | None, written_ns: int) -> bool:
        path = self.folder / file
        try:
            found = path.stat()
        except OSError:
            return False
        if mark is None or found.st_size != mark[0]:
            return False
        return found.st_mtime_ns <= written_ns or describe_file(path) == mark


def describe_file(path: Path) -> tuple[int, str] | None:
    """Size and sha256 of a file; None where it is not there."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    return len(content), hashlib.sha256(content).hexdigest()


def _read_files(content: Mapping[str, Any]) -> dict[str, tuple[int, str] | None]:
    safe = {name: mark for name, mark in content.items() if _is_inside(name)}
    return {name: None if mark is None else (int(mark[0]), str(mark[1])) for name, mark in safe.items()}


def _is_inside(name: str) -> bool:
    parts = Path(name).parts
    return bool(parts) and not Path(name).is_absolute() and ".." not in parts


def _write(path: Path, content: Mapping[str, Any]) -> None:
    with write_atomically(path) as temporary:
        temporary.write_text(json.dumps(content) + "\n", encoding="utf-8")
