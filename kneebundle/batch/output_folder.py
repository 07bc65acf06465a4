"""The output folder of a run: which images are done, what their files are called, writing them, and the tables.

The folder knows what it wrote (:mod:`kneebundle.batch.entries`). A result counts as done only if it was made from the
same content, of the same request, with the same options, weights and version, and if its files are as they were
written. What the folder did not write is never touched.
"""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import kneebundle
from kneebundle.batch.adoption import adopt_results, adopt_tables, find_strays
from kneebundle.batch.engine import TABLE_FORMATS, Job, Outcome
from kneebundle.batch.entries import Entries, Entry, hash_paths
from kneebundle.batch.image_files import ImageFiles
from kneebundle.batch.names import output_names
from kneebundle.batch.reasons import describe_request, find_reason
from kneebundle.batch.request import ImageRequest
from kneebundle.batch.stored_records import StoredRecords
from kneebundle.errors import KneeBundleError
from kneebundle.io.file_content import read_state
from kneebundle.io.folder_lock import FULL, HIDDEN, check_owner, mark_folder, read_mark
from kneebundle.io.paths import show_path
from kneebundle.io.pseudonyms import SETTING
from kneebundle.io.writing import remove_leftovers
from kneebundle.reports.csv_tables import KEPT, write_errors

__all__ = ["OutputFolder"]

_ERRORS = "errors.csv"
_NAMED = 5


class OutputFolder:
    """A folder with the files of this run and of earlier ones.

    It is made if it is not there, and what killed runs left half-written is removed. Another process can be given the
    folder; there it writes files and knows no results.

    Args:
        path: of the folder, absolute.
        files: how images are read and which files there are about each.
        advice: by the field of an error, what the user does about it.
        made_with: what the results depend on besides the images and what is known of them.

    Attributes:
        again: why a result of an earlier run is made again, by the index of its job.
        notes: lines about what was found in the folder.

    Raises:
        KneeBundleError: if the folder cannot be made or belongs to another command.
    """

    def __init__(
        self,
        path: Path,
        files: ImageFiles,
        advice: Mapping[str, str] | None = None,
        made_with: Mapping[str, Any] | None = None,
    ) -> None:
        self.path = path
        self.files = files
        self.advice = dict(advice or {})
        self.made_with: dict[str, Any] = json.loads(json.dumps(made_with or {}))
        self.pseudonyms = files.pseudonyms
        self.entries = Entries(path, self.pseudonyms)
        self.again: dict[int, str] = {}
        self.notes: list[str] = []
        self._staging = path / HIDDEN / "staging"
        marked = check_owner(path, files.command)
        try:
            path.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(self._staging, ignore_errors=True)
            for place in (path, path / ".records", path / HIDDEN / "results"):
                remove_leftovers(place, 0)
        except OSError as error:
            raise KneeBundleError(f"cannot make the output folder ({error.strerror})", path, "output") from error
        self._is_old = self._is_marked = marked
        self._known = self._repair(self.entries.read_all())
        self._adopted = {} if marked else adopt_results(path, files)
        if self.pseudonyms is not None and self._adopted:
            raise KneeBundleError("its results are under paths; pseudonyms need a folder of their own", path, "output")
        self._known = {**self._adopted, **self._known}
        self._tables = self.entries.read_tables()
        if not marked:
            self._tables |= adopt_tables(path, self._list_tables(), bool(self._known))

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_known": {}, "_adopted": {}}

    @property
    def has_results(self) -> bool:
        """Whether a run has left anything in the folder, this one or an earlier one."""
        return self._is_old or bool(self.entries.read_all())

    def plan(self, requests: Sequence[ImageRequest]) -> list[Job]:
        """Name the files of each image: as an earlier run did, or so that no other image's files are touched."""
        keys = [hash_paths(request.path, self.path, self.pseudonyms) for request in requests]
        known: dict[int, str] = {}
        for way in range(3):  # by the path as it is given, without links, as seen from the folder
            names = {e.keys[way]: name for name, e in self._known.items() if len(e.keys) == 3}
            for index, own in enumerate(keys):
                name = names.get(own[way])
                if index not in known and name is not None and name not in known.values():
                    known[index] = name
        paths = [request.path for request in requests]
        if self.pseudonyms is not None:
            paths = [Path(self.pseudonyms.name_path(path)) for path in paths]
            for index, path in enumerate(paths):  # one whose entry is damaged
                if path.name in self._known and path.name not in known.values():
                    known.setdefault(index, path.name)
        used = set(known.values())
        fresh = output_names(paths, [name for name in self._known if name not in used])
        jobs = []
        for index, request in enumerate(requests):
            file, name = request.path.absolute(), known.get(index, fresh[index])
            jobs.append(Job(index, self._deidentify(request, name), file, name, read_state(file)))
        return jobs

    def _deidentify(self, request: ImageRequest, name: str) -> ImageRequest:
        """The request as it will stand in the results."""
        if self.pseudonyms is None:
            return request
        basis = self.pseudonyms.digest("basis", request.basis) if request.basis else ""
        return replace(request, path=Path(name), basis=basis)

    def select(self, jobs: Sequence[Job], overwrite: bool) -> list[Job]:
        """The jobs that are left to do: those without a result that is still right, or with ``overwrite`` all.

        Raises:
            KneeBundleError: if a file would have to be written that is there and not the folder's own.
        """
        left = []
        for job in jobs:
            reason = find_reason(job, self._known.get(job.name), self.entries, self.files.formats, self.made_with)
            if overwrite or reason is not None:
                left.append(job)
            if reason and not overwrite:
                self.again[job.index] = reason
        self._refuse_clashes(left)
        try:
            mark = {} if self.pseudonyms is None else {SETTING: self.pseudonyms.mark}
            mark_folder(self.path, self.files.command, mark)
            self._is_marked = True
            for name, entry in self._adopted.items():
                self.entries.write(name, entry)
            self.entries.write_tables(self._tables)
        except OSError as error:
            raise self._blame_folder(error) from error
        own = {file for entry in self._known.values() for file in entry.files} | self._tables.keys()
        strays = find_strays(self.path, own)
        if strays:
            self.notes.append(f"left alone, not of a run into this folder: {_join(strays)}")
        return left

    def write(self, job: Job, result: Any) -> Outcome:
        """Write the files of a result, the record last.

        They are written aside and put in place together, so that an earlier result stays whole until then.

        Args:
            job: the image.
            result: of the pipeline, or an exception; then an earlier result stays if it is of the same content.

        Returns:
            The outcome; where the files cannot be written, it is that error.

        Raises:
            KneeBundleError: if nothing can be written to the folder any more.
        """
        self._check_there()
        aside = self._staging / uuid4().hex
        try:
            if isinstance(result, Exception):
                return self._refuse(job, result)
            self._staging.mkdir(parents=not self._is_marked, exist_ok=True)  # a folder that vanished is not made again
            (aside / ".records").mkdir(parents=True)
            record = f"{'' if 'json' in self.files.formats else '.records/'}{job.name}.json"
            problems = self.files.write(result, job.file, aside / record, aside, job.name) or {}
            self._put_in_place(job, aside, record, result, tuple(problems))
        except OSError as error:
            if self._is_lost(error):
                raise self._blame_folder(error) from error
            return self._refuse(job, error)
        except Exception as error:
            return self._refuse(job, error)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
        reasons = dict.fromkeys(self._state_reason(problem, job) for problem in problems.values())
        said = f"without {', '.join(problems)}: {'; '.join(reasons)}" if problems else None
        return Outcome(job.index, said, flagged=result.flagged)

    def write_tables(self, jobs: Sequence[Job], errors: Sequence[tuple[str, str]]) -> None:
        """Write the files about all results in the folder together, and errors.csv.

        The results of the jobs come first, in their order, then the others by name. A table that somebody has changed
        since is kept under another name.

        Args:
            jobs: all images of the run.
            errors: path and reason of each image without a result.

        Raises:
            KneeBundleError: if one cannot be written; the others are.
        """
        self._check_there()
        tables = self._list_tables()
        try:
            self._keep_changed(tables)
            self._tables |= dict.fromkeys(tables)
            self.entries.write_tables(self._tables)
            write_errors(errors, self.path / _ERRORS)
            if TABLE_FORMATS.intersection(self.files.formats) or len(self._tables) > 1:
                self.files.write_tables(self._read_records(jobs), errors, self.path, self._tables)
            self._tables = {**dict.fromkeys(self._tables), **self.entries.describe(self._tables)}
            self.entries.write_tables(self._tables)
        except OSError as error:
            raise self._blame_folder(error) from error

    def _read_records(self, jobs: Sequence[Job]) -> StoredRecords:
        """The documents of all complete results by name, each checked once."""
        order = {job.name: job.index for job in jobs}
        # the jobs' own names, too: a shared folder may list late what another machine has just written
        entries = {**self.entries.read_all(), **{n: e for n in order if (e := self.entries.read(n)) is not None}}
        found: dict[str, Path] = {}
        ignored = []
        for name in sorted(entries, key=lambda name: (order.get(name, len(order)), name)):
            place = entries[name].find_record(name) if entries[name].complete else None
            if place is None:
                continue
            if self.files.read_record(self.path / place) is None:
                ignored.append(place)
            else:
                found[name] = self.path / place
        if ignored:
            self.notes.append(f"left out of the tables, damaged or made in another way: {_join(ignored)}")
        return StoredRecords(found)

    def _put_in_place(self, job: Job, aside: Path, record: str, result: Any, missing: Collection[str] = ()) -> None:
        source = self.entries.hash_source(job.file) if job.state is not None else None
        if read_state(job.file) != job.state:  # it has changed since it was planned, perhaps before it was read
            source = None
        earlier = self.entries.read(job.name) or self._known.get(job.name) or Entry()
        made = sorted(str(path.relative_to(aside)) for path in aside.rglob("*") if path.is_file())
        made.remove(record)
        made.append(record)
        foreign = [file for file in made if file not in earlier.files and _is_there(self.path / file)]
        if foreign:
            raise KneeBundleError(f"{_join(foreign)} in the output folder is not of kneebundle", job.file, "output")
        entry = Entry(
            hash_paths(job.file, self.path, self.pseudonyms),
            {**earlier.files, **dict.fromkeys(made)},
            source=source,
            state=job.state if self.pseudonyms is None else None,
            request=describe_request(job.request),
            made_with=_limit_bundles(self.made_with, result),
            formats=tuple(kind for kind in self.files.formats if kind not in missing),
            version=kneebundle.__version__,
        )
        self.entries.write(job.name, entry)
        for file in made:
            target = self.path / file
            target.parent.mkdir(parents=True, exist_ok=True)
            (aside / file).replace(target)
        for file in entry.files.keys() - set(made):
            (self.path / file).unlink(missing_ok=True)
        self.entries.write(job.name, replace(entry, files=self.entries.describe(made), complete=True))

    def _refuse(self, job: Job, error: Exception) -> Outcome:
        """An outcome with an error. An earlier result of other content goes; another one stays, and it is said."""
        reason = self._state_reason(error, job)
        entry = self.entries.read(job.name) or self._known.get(job.name)
        if entry is None or not entry.complete:
            return Outcome(job.index, reason)
        state = read_state(job.file)
        if state is None or entry.source is None or self.entries.is_current(job.name, entry, job.file, state):
            return Outcome(job.index, f"{reason}; {KEPT}")
        for file in entry.files:
            (self.path / file).unlink(missing_ok=True)
        self.entries.remove(job.name)
        return Outcome(job.index, reason)

    def _refuse_clashes(self, left: Sequence[Job]) -> None:
        foreign = []
        for job in left:
            own = self._known.get(job.name, Entry()).files
            wanted = [f"{job.name}.json"] if "json" in self.files.formats else []
            wanted += self.files.list_planned(job.name)
            foreign += [file for file in wanted if file not in own and _is_there(self.path / file)]
        foreign += [file for file in self._list_tables() if file not in self._tables and _is_there(self.path / file)]
        if foreign:
            raise KneeBundleError(
                f"files of these names are there that kneebundle did not write, and it does not touch them: "
                f"{_join(foreign)}; move them away",
                self.path,
                "output",
            )

    def _list_tables(self) -> list[str]:
        return [_ERRORS, *self.files.list_tables()]

    def _keep_changed(self, tables: Sequence[str]) -> None:
        for name in tables:
            mark, path = self._tables.get(name), self.path / name
            if not _is_there(path):
                continue
            if name not in self._tables:
                raise KneeBundleError("this file is not of kneebundle; move it away and run again", path, "output")
            changed = mark is not None and self.entries.describe([name]).get(name) != mark
            if changed and path.stat().st_size:
                kept = next(p for p in _list_kept(path) if not _is_there(p))
                path.replace(kept)
                self.notes.append(f"{name} was changed since it was written; it is kept as {kept.name}")

    def _repair(self, entries: dict[str, Entry]) -> dict[str, Entry]:
        """Give entries that are damaged the files that they must have had."""
        for name, entry in entries.items():
            if entry.keys:
                continue
            place = next((p for p in (f"{name}.json", f".records/{name}.json") if _is_there(self.path / p)), None)
            record = None if place is None else self.files.read_record(self.path / place)
            keys = () if record is None or self.pseudonyms else hash_paths(str(record["image"]["path"]), self.path)
            there = [f for f in (place, *self.files.list_possible(name)) if f and _is_there(self.path / f)]
            entries[name] = Entry(keys, dict.fromkeys(there))
        return entries

    def _check_there(self) -> None:
        """What is written into a folder of the same name would pass for all that was done."""
        if self._has_vanished():
            raise self._state_vanished()

    def _has_vanished(self) -> bool:
        return self._is_marked and read_mark(self.path) is None

    def _state_vanished(self) -> KneeBundleError:
        return KneeBundleError(
            "the output folder was removed, moved or unmounted while the run was at work; run it again", self.path
        )

    def _is_lost(self, error: OSError) -> bool:
        """Whether it is the folder that fails, and not one image."""
        if error.errno in FULL or not self.path.is_dir():
            return True
        probe = self.path / HIDDEN / f"probe-{uuid4().hex[:12]}"
        try:
            probe.write_bytes(b"0")
        except OSError:
            return True
        with suppress(OSError):
            probe.unlink()
        return False

    def _blame_folder(self, error: OSError) -> KneeBundleError:
        if self._has_vanished():
            return self._state_vanished()
        about = "" if error.filename is None else f" {Path(show_path(error.filename)).name}"
        return KneeBundleError(
            f"cannot write{about} into the output folder ({error.strerror}); what is done stays done", self.path, "full"
        )

    def _state_reason(self, error: Exception, job: Job) -> str:
        reason = self._describe(error)
        return reason if self.pseudonyms is None else self.pseudonyms.clean(reason, job.file)

    def _describe(self, error: Exception) -> str:
        if isinstance(error, KneeBundleError):
            return error.advised(self.advice)
        if isinstance(error, OSError) and error.strerror:
            about = "" if error.filename is None else f"{show_path(error.filename)}: "
            return f"{about}{error.strerror}; check that the file can be read"
        return " ".join(f"unexpected {type(error).__name__}: {error}; please report it".split())


def _limit_bundles(made_with: Mapping[str, Any], result: Any) -> dict[str, Any]:
    """Of the bundles, those that took part in a result, where it says so."""
    used = {model.bundle for model in getattr(result, "models", ())}
    bundles = made_with.get("bundles", {})
    if not used or not used <= bundles.keys():
        return dict(made_with)
    return {**made_with, "bundles": {name: bundles[name] for name in sorted(used)}}


def _is_there(path: Path) -> bool:
    return path.is_symlink() or path.exists()


def _list_kept(path: Path) -> Iterator[Path]:
    yield path.with_name(f"{path.stem}.changed{path.suffix}")
    yield from (path.with_name(f"{path.stem}.changed-{number}{path.suffix}") for number in itertools.count(2))


def _join(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
