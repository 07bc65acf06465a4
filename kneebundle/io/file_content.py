"""Whether a file is still what it was: its content as a hash, and a quick look that spares reading it."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from pathlib import Path

from kneebundle.errors import KneeBundleError

__all__ = ["FileState", "check_regular", "hash_content", "list_parts", "read_state"]

FileState = tuple[tuple[int, int, int, int], ...]
"""Size, time of the last change of content and of the entry in the folder (ns), and inode, of each part of a file."""

_BLOCK = 1 << 20
_HEAD_BYTES = 4096
_DATA_FILE = re.compile(rb"^\s*ElementDataFile\s*=\s*(.+?)\s*$", re.MULTILINE)


def list_parts(path: Path) -> list[Path]:
    """List the files that an image consists of: the file itself and, of a two-file format, the one with the pixels."""
    suffix = path.suffix.lower()
    others: list[Path] = []
    if suffix == ".hdr":
        others = [path.with_suffix(".img"), path.with_suffix(".img.gz")]
    elif suffix == ".mhd":
        found = _DATA_FILE.search(_read_head(path))
        others = [path.parent / os.fsdecode(found[1])] if found else []
    return [path, *(other for other in others if _is_regular(other))]


def read_state(path: Path) -> FileState | None:
    """Read the state of a file, which changes whenever its content does; None where it is not there or no file."""
    try:
        found = [part.stat() for part in list_parts(path)]
    except (OSError, ValueError):
        return None
    if not all(stat.S_ISREG(part.st_mode) for part in found):
        return None
    return tuple((part.st_size, part.st_mtime_ns, part.st_ctime_ns, part.st_ino) for part in found)


def hash_content(path: Path) -> str | None:
    """Give the sha256 of a file and its further parts; None where it cannot be read."""
    digest = hashlib.sha256()
    try:
        for part in list_parts(path):
            if not _is_regular(part):
                return None
            with part.open("rb") as stream:
                while block := stream.read(_BLOCK):
                    digest.update(block)
    except (OSError, ValueError):
        return None
    return digest.hexdigest()


def check_regular(path: Path) -> None:
    """Raise an error for what never ends or cannot be read as a file: pipes, devices, loops of links, folders.

    Raises:
        KneeBundleError: it says what was found; nothing is raised where nothing is there.
    """
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            with os.scandir(path):
                raise KneeBundleError("this is a folder; one file is needed", path)
    except (FileNotFoundError, NotADirectoryError):
        return
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise KneeBundleError(f"it cannot be opened ({reason}); check the path and its permissions", path) from error
    if not stat.S_ISREG(mode):
        raise KneeBundleError("this is a pipe or a device and no file; a file is needed", path)


def _is_regular(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (OSError, ValueError):
        return False


def _read_head(path: Path) -> bytes:
    if not _is_regular(path):
        return b""
    try:
        with path.open("rb") as stream:
            return stream.read(_HEAD_BYTES)
    except OSError:
        return b""
