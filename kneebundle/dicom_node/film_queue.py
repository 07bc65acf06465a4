"""The queue of films on disk: whole files, moved from folder to folder, so that a killed process loses nothing.

Below the folder, with a film known by its key, a hash of its SOP instance UID:

- ``received/<key>.dcm``: acknowledged to the sender, waiting for the networks;
- ``working/<key>.dcm``: with the networks;
- ``sending/<key>/``: its results, each whole, with ``film.json``; one that the PACS has is renamed ``<name>.sent``;
- ``done/<key>.json``, ``failed/<key>.json``: what became of it, without anything of the patient;
- ``failed/<key>/``: results that the PACS refused; ``failed/<key>.dcm``: a film on which this program failed.

Every step is written and synchronised before the step that it makes unnecessary is removed: at every moment a film is
in one of the folders, and where a kill left it in two, the later one counts.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

from kneebundle.io.writing import write_atomically

__all__ = ["FOLDERS", "FilmQueue", "hash_uid"]

FOLDERS = ("received", "working", "sending", "done", "failed")
"""Where a film can be, in the order of its way."""

_SCHEMA = "kneebundle/dicom_node/1"
_FACTS = "film.json"
_SENT = ".sent"


def hash_uid(uid: str) -> str:
    """Hash a SOP instance UID to the key of its film, which names files and appears in logs.

    Example:
        >>> hash_uid("1.2.3")
        'c47f5b18b8a430e698b9fe15'
    """
    return hashlib.sha256(str(uid).strip("\0 ").encode()).hexdigest()[:24]


class FilmQueue:
    """The queue in a folder; one process works on it, with as many threads as it likes.

    Args:
        folder: made if it is not there, readable by this account alone.
        keep_films: keep the films themselves beside what became of them; else they are removed.
    """

    def __init__(self, folder: Path, keep_films: bool = False) -> None:
        self.folder = folder
        self.keep_films = keep_films
        self._lock = threading.Lock()
        for name in FOLDERS:
            (folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        self._counts = {name: self._count(name) for name in ("done", "failed")}

    def recover(self, retry_failed: bool = False) -> int:
        """Put in order what a killed process left.

        Args:
            retry_failed: send the results again that the PACS refused, and predict again on films that were kept.

        Returns:
            How many films were with the networks when the process ended.
        """
        for folder in FOLDERS:
            for path in (self.folder / folder).glob(".*"):  # files and folders that were being written
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        for results in self.folder.glob("sending/*"):
            if (self.folder / "done" / f"{results.name}.json").exists():
                shutil.rmtree(results)
            elif (self.folder / "failed" / f"{results.name}.json").exists():
                self._move(results, self.folder / "failed" / results.name)
        interrupted = 0
        for film in self.folder.glob("working/*.dcm"):
            if self._is_further(film.stem):
                self._drop_film(film)
            else:
                self._move(film, self.folder / "received" / film.name)
                interrupted += 1
        for tries in self.folder.glob("working/*.tries"):
            if not (self.folder / "received" / f"{tries.stem}.dcm").exists():
                tries.unlink(missing_ok=True)
        if retry_failed:
            for path in list(self.folder.glob("failed/*")):
                if path.suffix == ".json":
                    continue
                self._move(path, self.folder / ("sending" if path.is_dir() else "received") / path.name)
                (self.folder / "failed" / f"{path.stem}.json").unlink(missing_ok=True)
        self._counts = {name: self._count(name) for name in ("done", "failed")}
        return interrupted

    def add(self, uid: str, content: bytes) -> bool:
        """Take a film in; when this returns, it is on disk.

        Args:
            uid: its SOP instance UID.
            content: of its file.

        Returns:
            False where the film is there already. A film that failed is taken again if it is another file.

        Raises:
            OSError: if it cannot be written.
        """
        key = hash_uid(uid)
        digest = hashlib.sha256(content).hexdigest()
        if not self._is_new(key, digest):
            return False
        temporary = self.folder / "received" / f".{key}-{uuid4().hex[:8]}"
        try:
            with temporary.open("xb") as file:
                temporary.chmod(0o600)
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            with self._lock:
                if not self._is_new(key, digest):  # the same film came twice at once
                    return False
                self._move(temporary, self.folder / "received" / f"{key}.dcm")
                if (self.folder / "failed" / f"{key}.json").exists():
                    self._forget_failure(key)
            return True
        finally:
            temporary.unlink(missing_ok=True)

    def knows(self, uid: str) -> bool:
        """Whether a film is in any of the folders, so that it need not come again."""
        key = hash_uid(uid)
        waiting = (self.folder / name / f"{key}.dcm" for name in ("received", "working"))
        return any(path.exists() for path in waiting) or self._is_further(key)

    def take(self) -> Path | None:
        """Take the film that has waited longest; None where none waits. :meth:`count_tries` counts the times."""
        waiting = [(entry.stat().st_mtime_ns, entry.name) for entry in os.scandir(self.folder / "received")]
        films = sorted(film for film in waiting if film[1].endswith(".dcm"))
        if not films:
            return None
        name = films[0][1]
        tries = self.folder / "working" / f"{Path(name).stem}.tries"
        self._write(tries, str(self.count_tries(Path(name).stem) + 1))
        return self._move(self.folder / "received" / name, self.folder / "working" / name)

    def count_tries(self, key: str) -> int:
        """Count how often a film was taken, the times before a kill too."""
        try:
            return int((self.folder / "working" / f"{key}.tries").read_text())
        except (OSError, ValueError):
            return 0

    def make_room(self, key: str) -> Path:
        """Make an empty folder for the results of a film; they count after :meth:`hand_over`."""
        room = self.folder / "sending" / f".{key}"
        shutil.rmtree(room, ignore_errors=True)
        room.mkdir(mode=0o700)
        return room

    def hand_over(self, film: Path, facts: Mapping[str, Any]) -> Path:
        """Hand the results of a film over to the sender; the film is no longer needed."""
        room = self.folder / "sending" / f".{film.stem}"
        content = {"film_sha256": _hash_file(film), **facts}
        (room / _FACTS).write_text(json.dumps(content) + "\n", encoding="utf-8")
        for path in room.iterdir():
            _synchronise(path)
        _synchronise(room)
        results = self._move(room, self.folder / "sending" / film.stem)
        self._drop_film(film)
        return results

    def list_sending(self) -> list[Path]:
        """List the folders of results that are to be sent, the oldest first."""
        found = [Path(entry.path) for entry in os.scandir(self.folder / "sending") if not entry.name.startswith(".")]
        return sorted(found, key=lambda path: (path.stat().st_mtime_ns, path.name))

    def list_unsent(self, results: Path) -> list[Path]:
        """List the objects among the results that the PACS does not have yet."""
        return sorted(path for path in results.glob("*.dcm"))

    def mark_sent(self, item: Path) -> None:
        """Note that the PACS has an object."""
        self._move(item, item.with_name(item.name + _SENT))

    def finish_sending(self, results: Path, refused: Mapping[str, str]) -> None:
        """Settle a film whose results were sent.

        Args:
            results: their folder.
            refused: by name, why the PACS did not take an object; empty: it has all of them.
        """
        facts = json.loads((results / _FACTS).read_text(encoding="utf-8"))
        if refused:
            reason = "; ".join(f"{name}: {why}" for name, why in refused.items())
            self._settle("failed", results.name, {**facts, "reason": f"the PACS refused {reason}"})
            self._move(results, self.folder / "failed" / results.name)
        else:
            self._settle("done", results.name, facts)
            shutil.rmtree(results)

    def put_back(self, film: Path) -> None:
        """Let a film wait again, as if it had not been taken; one that is further on already is left there."""
        if self._is_further(film.stem):
            self._drop_film(film)
            return
        self._move(film, self.folder / "received" / film.name)
        film.with_suffix(".tries").unlink(missing_ok=True)

    def fail(self, film: Path, reason: str, keep: bool = False) -> None:
        """Settle a film for which nothing can be sent; ``keep`` keeps it, too."""
        self._settle("failed", film.stem, {"reason": reason, "film_sha256": _hash_file(film)})
        self._drop_film(film, "failed", keep)

    def read_state(self, folder: str, key: str) -> dict[str, Any] | None:
        """Read what became of a film: of ``done`` or ``failed``; None where it is not there."""
        try:
            content = json.loads((self.folder / folder / f"{key}.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return content if isinstance(content, dict) else None

    def count(self) -> dict[str, int]:
        """Count the films in each folder."""
        now = {name: self._count(name) for name in ("received", "working", "sending")}
        return {**now, **self._counts}

    def _count(self, folder: str) -> int:
        ending = {"received": ".dcm", "working": ".dcm", "sending": ""}.get(folder, ".json")
        names = (entry.name for entry in os.scandir(self.folder / folder))
        return sum(name.endswith(ending) and not name.startswith(".") for name in names)

    def _is_further(self, key: str) -> bool:
        """Whether a film is no longer needed: it has results, or is settled."""
        settled = (self.folder / name / f"{key}.json" for name in ("done", "failed"))
        return (self.folder / "sending" / key).exists() or any(path.exists() for path in settled)

    def _is_new(self, key: str, digest: str) -> bool:
        if any((self.folder / name / f"{key}.dcm").exists() for name in ("received", "working")):
            return False
        if (self.folder / "sending" / key).exists() or (self.folder / "done" / f"{key}.json").exists():
            return False
        failure = self.read_state("failed", key)
        return failure is None or (failure.get("film_sha256") != digest and not (self.folder / "failed" / key).exists())

    def _forget_failure(self, key: str) -> None:
        (self.folder / "failed" / f"{key}.json").unlink(missing_ok=True)
        (self.folder / "failed" / f"{key}.dcm").unlink(missing_ok=True)
        (self.folder / "working" / f"{key}.tries").unlink(missing_ok=True)
        self._counts["failed"] = self._count("failed")

    def _settle(self, folder: str, key: str, facts: Mapping[str, Any]) -> None:
        self._write(self.folder / folder / f"{key}.json", json.dumps({"schema": _SCHEMA, "film": key, **facts}) + "\n")
        self._counts[folder] = self._counts.get(folder, 0) + 1

    def _drop_film(self, film: Path, folder: str = "done", keep: bool = False) -> None:
        if keep or self.keep_films:
            self._move(film, self.folder / folder / film.name)
        else:
            film.unlink(missing_ok=True)
        film.with_suffix(".tries").unlink(missing_ok=True)

    def _write(self, path: Path, text: str) -> None:
        with write_atomically(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
            temporary.chmod(0o600)
            _synchronise(temporary)
        _synchronise(path.parent)

    def _move(self, path: Path, target: Path) -> Path:
        path.rename(target)
        _synchronise(target.parent)
        if path.parent != target.parent:
            _synchronise(path.parent)
        return target


def _hash_file(path: Path) -> str:
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _synchronise(path: Path) -> None:
    """Have the system write a file, or the names in a folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # some network file systems cannot synchronise a folder
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
