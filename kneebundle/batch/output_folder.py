"""The output folder of a run: which images are done, what their files are called, writing them, and the tables."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kneebundle.batch.engine import Job, Outcome
from kneebundle.batch.image_files import ImageFiles
from kneebundle.batch.names import output_names
from kneebundle.batch.request import ImageRequest
from kneebundle.errors import KneeBundleError
from kneebundle.io.writing import remove_leftovers
from kneebundle.reports.csv_tables import write_errors, write_landmarks, write_measurements

__all__ = ["OutputFolder"]

_HIDDEN_RECORDS = ".records"


class OutputFolder:
    """A folder with the files of this run and of earlier ones.

    It is made if it is not there, what killed runs left half-written is removed, and the records in it are read, each
    once. Another process can be given the folder; there it writes files and knows no records.

    Args:
        path: of the folder, absolute.
        files: how images are read and which files there are about each.
        advice: by the field of an error, what the user does about it.

    Raises:
        KneeBundleError: if the folder cannot be made.
    """

    def __init__(self, path: Path, files: ImageFiles, advice: Mapping[str, str] | None = None) -> None:
        self.path = path
        self.files = files
        self.advice = dict(advice or {})
        self._places = (path, path / _HIDDEN_RECORDS)
        self._own_place = self._places["json" not in files.formats]
        try:
            self._own_place.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise KneeBundleError(f"cannot make the output folder ({error.strerror})", path, "output") from error
        for place in self._places:
            remove_leftovers(place)
        self._records = self._read_records(self._list_records())

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_records": {}}

    def plan(self, requests: Sequence[ImageRequest]) -> list[Job]:
        """Name the files of each image: as an earlier run did, or so that no other image's files are touched."""
        earlier = {_normalize(record["image"]["path"]): name for name, record in self._records.items()}
        paths = [request.path for request in requests]
        full = [_normalize(path) for path in paths]
        own = set(full)
        fresh = output_names(paths, [name for path, name in earlier.items() if path not in own])
        names = [earlier.get(path, name) for path, name in zip(full, fresh, strict=True)]
        both = zip(requests, names, strict=True)
        return [Job(index, request, request.path.absolute(), name) for index, (request, name) in enumerate(both)]

    def select(self, jobs: Sequence[Job], overwrite: bool) -> list[Job]:
        """The jobs that are left to do: those that no earlier run did in all the formats, or with ``overwrite`` all."""
        left = [job for job in jobs if overwrite or not self._is_done(job)]
        for job in left:
            self._records.pop(job.name, None)  # this run writes another one
        return left

    def write(self, job: Job, result: Any) -> Outcome:
        """Write the files of a result, the record last.

        Args:
            job: the image.
            result: of the pipeline, or an exception; then the files of an earlier result are removed.

        Returns:
            The outcome; where the files cannot be written, it is that error.
        """
        try:
            if isinstance(result, Exception):
                self._remove_files(job.name)
                return Outcome(job.index, self._state_reason(result))
            record = self._own_place / f"{job.name}.json"
            self.files.write(result, job.file, record, self.path, job.name)
        except Exception as error:
            return Outcome(job.index, self._state_reason(error))
        return Outcome(job.index, flagged=result.flagged)

    def write_tables(self, jobs: Sequence[Job], errors: Sequence[tuple[str, str]]) -> None:
        """Write landmarks.csv and measurements.csv of all records in the folder, and errors.csv.

        The records of the jobs come first, in their order, then the others by name.

        Args:
            jobs: all images of the run.
            errors: path and reason of each image without a result.
        """
        if "csv" in self.files.formats:
            order = {job.name: job.index for job in jobs}
            # the jobs' own names, too: a shared folder may list late what another machine has just written
            names = {*order, *self._list_records()}
            self._records.update(self._read_records(names - self._records.keys()))
            known = sorted(self._records, key=lambda name: (order.get(name, len(order)), name))
            records = [self._records[name] for name in known]
            write_landmarks(records, self.path / "landmarks.csv")
            write_measurements(records, self.path / "measurements.csv")
        write_errors(errors, self.path / "errors.csv")

    def _is_done(self, job: Job) -> bool:
        record = self._records.get(job.name)
        if record is None or _normalize(record["image"]["path"]) != _normalize(job.request.path):
            return False
        if "json" in self.files.formats and not (self.path / f"{job.name}.json").exists():
            return False
        return all((self.path / file).exists() for file in self.files.list_expected(record, job.name))

    def _remove_files(self, name: str) -> None:
        for place in self._places:
            (place / f"{name}.json").unlink(missing_ok=True)
        for file in self.files.list_possible(name):
            (self.path / file).unlink(missing_ok=True)

    def _list_records(self) -> set[str]:
        return {file.stem for place in self._places for file in place.glob("[!.]*.json")}

    def _read_records(self, names: set[str]) -> dict[str, dict[str, Any]]:
        """Records by name; one in the place that this run writes to goes before one in the other."""
        found: dict[str, dict[str, Any]] = {}
        for name in sorted(names):
            for place in dict.fromkeys((self._own_place, *self._places)):
                record = self.files.read_record(place / f"{name}.json")
                if record is not None:
                    found[name] = record
                    break
        return found

    def _state_reason(self, error: Exception) -> str:
        if isinstance(error, KneeBundleError):
            return error.advised(self.advice)
        return " ".join(f"unexpected {type(error).__name__}: {error}; please report it".split())


def _normalize(path: str | Path) -> str:
    """The absolute path without ``..``, by which an image is known again; links are not followed."""
    return os.path.abspath(path)  # noqa: PTH100
