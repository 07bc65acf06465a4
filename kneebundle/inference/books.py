"""The books of a run: which images are done, what their files are called, and the tables over all of them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

from kneebundle.errors import KneeBundleError
from kneebundle.inference.answering import Job, OutputFolder
from kneebundle.inference.manifest import ImageRequest
from kneebundle.inference.naming import output_names
from kneebundle.io.writing import sweep_leftovers
from kneebundle.reports.csv_report import write_errors, write_landmarks, write_measurements
from kneebundle.reports.files import expected_files
from kneebundle.reports.json_report import read_document

__all__ = ["Books"]


class Books:
    """What an output folder holds of this run and of earlier ones; what killed runs left half-written is removed.

    Args:
        folder: made if it is not there.

    Raises:
        KneeBundleError: if it cannot be made.
    """

    def __init__(self, folder: OutputFolder) -> None:
        self.folder = folder
        try:
            folder.records.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            reason = f"cannot make the output folder ({error.strerror}); give another with -o"
            raise KneeBundleError(reason, folder.output) from error
        for place in folder.places:
            sweep_leftovers(place)
        self.names = {_identity(document): name for name, document in self._existing()}

    def jobs(self, requests: Sequence[ImageRequest]) -> list[Job]:
        """Name the files of each image: as an earlier run did, or so that no other image's files are touched."""
        paths = [request.path for request in requests]
        own = {os.path.abspath(path) for path in paths}
        others = [name for path, name in self.names.items() if path not in own]
        fresh = output_names(paths, others)
        named = [self.names.get(os.path.abspath(path), name) for path, name in zip(paths, fresh, strict=True)]
        both = zip(requests, named, strict=True)
        return [Job(i, request, request.path.absolute(), name) for i, (request, name) in enumerate(both)]

    def has(self, job: Job) -> bool:
        """Whether an earlier run has answered this image in all the formats that are wanted."""
        output, formats = self.folder.output, self.folder.formats
        if os.path.abspath(job.request.path) not in self.names:
            return False
        if "json" in formats and not (output / f"{job.name}.json").exists():
            return False
        files = expected_files(self._document(job.name) or {}, job.name, formats)
        return all((output / file).exists() for file in files)

    def write_tables(self, jobs: Sequence[Job], errors: Sequence[tuple[str, str]]) -> None:
        """Write landmarks.csv and measurements.csv of all records, and errors.csv of the path and reason of each refusal."""
        output = self.folder.output
        if "csv" in self.folder.formats:
            write_landmarks(self._documents(jobs), output / "landmarks.csv")
            write_measurements(self._documents(jobs), output / "measurements.csv")
        write_errors(errors, output / "errors.csv")

    def _documents(self, jobs: Sequence[Job]) -> Iterator[dict[str, Any]]:
        """All records of the folder: those of the jobs in their order, then the others by name."""
        order = {job.name: job.index for job in jobs}
        # the jobs' own names, too: a shared folder may list late what another machine has just written
        names = {*order, *self._listed()}
        for name in sorted(names, key=lambda name: (order.get(name, len(order)), name)):
            document = self._document(name)
            if document is not None:
                yield document

    def _existing(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for name in sorted(self._listed()):
            document = self._document(name)
            if document is not None:
                yield name, document

    def _listed(self) -> set[str]:
        return {path.stem for place in self.folder.places for path in place.glob("[!.]*.json")}

    def _document(self, name: str) -> dict[str, Any] | None:
        """The record of that name; the one in the place that this run writes to goes before the other."""
        ordered = (self.folder.records, *self.folder.places)
        return next(filter(None, (read_document(place / f"{name}.json") for place in ordered)), None)


def _identity(document: dict[str, Any]) -> str:
    """Which image a record is about."""
    return os.path.abspath(document["image"]["path"])
