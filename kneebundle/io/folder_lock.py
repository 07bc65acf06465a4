"""One run a folder: a lock with its owner, and a sign of which command a folder belongs to.

Both lie in the hidden folder ``.kneebundle`` of the output folder. The system gives the lock back when a process ends
or is killed, so that a dead run never stands in the way of the next one.
"""

from __future__ import annotations

import errno
import getpass
import json
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kneebundle.errors import KneeBundleError
from kneebundle.io.writing import find_missing, remove_empty_folders, remove_leftovers, write_atomically

if TYPE_CHECKING:
    from filelock import BaseFileLock

__all__ = [
    "FULL",
    "HIDDEN",
    "check_owner",
    "hold_folder",
    "mark_folder",
    "read_mark",
    "unmark_if_empty",
]

HIDDEN = ".kneebundle"
"""The folder with what kneebundle knows of an output folder."""

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}
"""Errors of a disk that takes no more."""

_SCHEMA = "kneebundle/folder/1"
_POLL_S = 0.5


@contextmanager
def hold_folder(folder: Path, when_busy: str = "wait", say: Callable[[str], None] | None = None) -> Iterator[None]:
    """Hold an output folder alone while the block runs. It is made if it is not there.

    Args:
        folder: the output folder.
        when_busy: ``"wait"`` until a run that holds the folder is done, or ``"fail"``.
        say: is given a line before a wait.

    Raises:
        KneeBundleError: if the folder cannot be made or written to, the disk is full, or another run holds it.
    """
    hidden = folder / HIDDEN
    fresh = find_missing(hidden)
    try:
        lock = _acquire(hidden, when_busy, say)
    except (OSError, ValueError) as error:
        problem = getattr(error, "strerror", None) or str(error)
        raise KneeBundleError(f"cannot make the output folder ({problem})", folder, "output") from error
    try:
        remove_leftovers(hidden, 0)
        _write_json(hidden / "owner.json", _describe_self(), folder)
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        reason = f"cannot write into this folder ({error.strerror}); what is done stays done"
        raise KneeBundleError(reason, folder, "full") from error
    finally:
        with suppress(OSError):
            (hidden / "owner.json").unlink(missing_ok=True)
        if read_mark(folder) is None:
            _remove_empty(hidden, fresh)
        lock.release()


def _acquire(hidden: Path, when_busy: str, say: Callable[[str], None] | None) -> BaseFileLock:
    from filelock import FileLock, Timeout

    lock = FileLock(hidden / "lock")
    told = say is None
    while True:
        hidden.mkdir(parents=True, exist_ok=True)  # the run before may have taken an empty folder away
        try:
            lock.acquire(timeout=0)
            return lock
        except FileNotFoundError:
            pass
        except Timeout:
            reason = f"another run is at work in this folder ({_describe_owner(hidden)})"
            if when_busy == "fail":
                raise KneeBundleError(reason, hidden.parent, "when_busy") from None
            if not told and say is not None:
                say(f"{hidden.parent}: {reason}; waiting for its end")
                told = True
        time.sleep(_POLL_S)


def read_mark(folder: Path) -> Mapping[str, Any] | None:
    """Read which command a folder belongs to and how it was called; None where no run has marked it."""
    try:
        content = json.loads((folder / HIDDEN / "folder.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    known = isinstance(content, dict) and content.get("schema") == _SCHEMA and isinstance(content.get("command"), str)
    return content if known else None


def check_owner(folder: Path, command: str) -> bool:
    """Check that a folder does not belong to another command; whether it belongs to this one.

    Raises:
        KneeBundleError: if it does.
    """
    mark = read_mark(folder)
    if mark is not None and mark["command"] != command:
        raise KneeBundleError(
            f"this folder holds what kneebundle {mark['command']} wrote, and kneebundle {command} needs one of its own",
            folder,
            "output",
        )
    return mark is not None


def mark_folder(folder: Path, command: str, settings: Mapping[str, Any] | None = None) -> None:
    """Mark a folder as that of a command, with what the command wants to know again.

    Raises:
        KneeBundleError: if it cannot be written to.
    """
    content = {"schema": _SCHEMA, "command": command, "settings": dict(settings or {})}
    if read_mark(folder) != content:
        _write_json(folder / HIDDEN / "folder.json", content, folder)


def _write_json(path: Path, content: Mapping[str, Any], folder: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with write_atomically(path) as temporary:
            temporary.write_text(json.dumps(content) + "\n", encoding="utf-8")
    except OSError as error:
        raise KneeBundleError(f"cannot write into this folder ({error.strerror})", folder, "output") from error


def _describe_self() -> dict[str, Any]:
    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):
        user = "somebody"
    since = time.strftime("%Y-%m-%d %H:%M:%S")
    return {"user": user, "host": socket.gethostname(), "process": os.getpid(), "since": since}


def _describe_owner(hidden: Path) -> str:
    try:
        owner = json.loads((hidden / "owner.json").read_text(encoding="utf-8"))
        return f"{owner['user']} on {owner['host']}, process {owner['process']}, since {owner['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "it does not say whose"


def _remove_empty(hidden: Path, fresh: list[Path]) -> None:
    """Leave no trace of a call that ended before its work began."""
    with suppress(OSError):
        if hidden in fresh and {path.name for path in hidden.iterdir()} <= {"lock"}:
            (hidden / "lock").unlink(missing_ok=True)
            remove_empty_folders(fresh)


@contextmanager
def unmark_if_empty(folder: Path, places: Sequence[str]) -> Iterator[None]:
    """Take the mark of a folder back where the block fails before anything is there that the command writes.

    A call that is stopped from outside leaves the mark: it goes on from there.

    Args:
        folder: held, and not marked if no run has left anything in it.
        places: names of the files and folders that the command writes into it.
    """
    marked = read_mark(folder) is not None
    missing = [path for place in places for path in find_missing(folder / place)]
    try:
        yield
    except Exception:
        if not marked and not any(_holds_file(folder / place) for place in places):
            made = [path for path in missing if path.is_dir() and folder in path.parents]
            remove_empty_folders(sorted(made, key=lambda path: -len(path.parts)))
            for name in ("folder.json", "tables.json"):
                with suppress(OSError):
                    (folder / HIDDEN / name).unlink(missing_ok=True)
            with suppress(OSError):
                (folder / HIDDEN / "results").rmdir()
        raise


def _holds_file(path: Path) -> bool:
    return os.path.lexists(path) and (not path.is_dir() or any(not inner.is_dir() for inner in path.rglob("*")))
