"""Many images to files: reading ahead, batches, resuming, and one refused file costing only itself.

An image is done when its record, the JSON file, is there; it is written last. A later run with the same output folder
leaves out what is done, tries again what was refused, and then writes ``landmarks.csv`` and ``measurements.csv`` anew
from all records in the folder: those of its own images in their order, then any others by name. ``errors.csv`` lists
what the last run refused and has only its header where that is nothing.
"""

from __future__ import annotations

import dataclasses
import os
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from kneebundle.errors import KneeBundleError
from kneebundle.inference.manifest import ImageRequest
from kneebundle.inference.naming import output_names
from kneebundle.inference.results import Answer
from kneebundle.inference.views import find_view
from kneebundle.io.reading import read_radiograph
from kneebundle.radiograph import Radiograph
from kneebundle.reports.csv_report import write_errors, write_landmarks, write_measurements
from kneebundle.reports.files import expected_files, possible_files, why_not_writable, write_files
from kneebundle.reports.json_report import read_document

__all__ = ["FORMATS", "Pipeline", "RunSummary", "predict_images"]

FORMATS = ("json", "csv", "png")
"""What is written unless other formats are asked for."""
_HIDDEN_RECORDS = ".records"


class Pipeline(Protocol):
    """What a run asks of :class:`kneebundle.inference.routing.PipelinesByView`."""

    def predict_batch(self, radiographs: Sequence[Radiograph]) -> Sequence[Answer | KneeBundleError]:
        """An answer or a refusal for each radiograph, in their order."""
        ...


@dataclass(frozen=True)
class RunSummary:
    """What a run did.

    Attributes:
        done: images answered by it.
        skipped: images that an earlier run had answered.
        flagged: images answered by it with a flag on the film or on a knee, or without a plan.
        refused: path and reason of those that were not answered, in the order of the input.
    """

    done: int
    skipped: int
    flagged: int
    refused: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class _Job:
    index: int
    request: ImageRequest
    file: Path
    name: str


def predict_images(
    requests: Sequence[ImageRequest],
    output: Path,
    pipeline: Callable[[], Pipeline],
    *,
    formats: Collection[str] = FORMATS,
    batch_size: int = 4,
    workers: int = 2,
    overwrite: bool = False,
    progress: bool = False,
) -> RunSummary:
    """Answer images with files in a folder.

    Args:
        requests: the images; :func:`kneebundle.inference.naming.output_names` names their files. Files of other images
            that an earlier run put into the folder stay.
        output: the folder; made if it is not there.
        pipeline: makes the pipeline; called only if there is something to do.
        formats: of :data:`kneebundle.reports.files.FORMATS`. Without ``"json"`` the records lie in the hidden folder
            ``.records``. An image that a DICOM format cannot refer to is refused before it is answered.
        batch_size: images that go to the pipeline together.
        workers: threads that read the next images and write the last ones meanwhile; at least one.
        overwrite: do again what an earlier run did.
        progress: show a bar, where stderr is a terminal.

    Raises:
        KneeBundleError: only from ``pipeline()`` or if the folder cannot be made; a file's refusal is in the summary.
    """
    from tqdm import tqdm

    # absolute paths, because ITK changes the working directory for a moment when it is loaded, under the threads' feet
    folder = _Folder(output.absolute(), formats)
    jobs = folder.jobs(requests)
    todo = [job for job in jobs if overwrite or not folder.has(job)]
    refused: dict[int, str] = {}
    flagged = 0
    with tqdm(total=len(jobs), initial=len(jobs) - len(todo), unit="image", disable=None if progress else True) as bar:
        for job, outcome in _outcomes(todo, folder, pipeline, batch_size, max(workers, 1)):
            if isinstance(outcome, Exception):
                refused[job.index] = _reason(outcome)
            else:
                flagged += outcome.flagged
            bar.update()
    errors = tuple((str(jobs[i].request.path), refused[i]) for i in sorted(refused))
    folder.write_tables(jobs, errors)
    return RunSummary(len(todo) - len(refused), len(jobs) - len(todo), flagged, errors)


def _outcomes(
    todo: Sequence[_Job], folder: _Folder, pipeline: Callable[[], Pipeline], batch_size: int, workers: int
) -> Iterator[tuple[_Job, Answer | Exception]]:
    """Read, predict and write batch by batch; the threads read the next batches and write the last one meanwhile."""
    if not todo:
        return
    network = pipeline()
    pool = ThreadPoolExecutor(workers)
    try:
        writing: list[tuple[_Job, Future[Answer | Exception]]] = []
        for batch in _read_ahead(todo, folder.formats, pool, batch_size, ahead=-(-workers // batch_size)):
            answers = _predict_readable(network, [image for _, image in batch])
            yield from ((job, future.result()) for job, future in writing)
            jobs = [job for job, _ in batch]
            writing = [(job, pool.submit(folder.write, job, a)) for job, a in zip(jobs, answers, strict=True)]
        yield from ((job, future.result()) for job, future in writing)
    finally:
        pool.shutdown(cancel_futures=True)


def _read_ahead(
    todo: Sequence[_Job], formats: Collection[str], pool: ThreadPoolExecutor, batch_size: int, ahead: int
) -> Iterator[list[tuple[_Job, Radiograph | Exception]]]:
    """Batches in order, with so many further ones being read."""
    reading: deque[list[tuple[_Job, Future[Radiograph | Exception]]]] = deque()
    for start in range(0, len(todo), batch_size):
        reading.append([(job, pool.submit(_read, job, formats)) for job in todo[start : start + batch_size]])
        if len(reading) > ahead:
            yield [(job, future.result()) for job, future in reading.popleft()]
    for batch in reading:
        yield [(job, future.result()) for job, future in batch]


def _read(job: _Job, formats: Collection[str]) -> Radiograph | Exception:
    request = job.request
    try:
        image = read_radiograph(
            job.file, spacing_mm=request.spacing_mm, side=request.side, view=request.view, uncalibrated=True
        )
        problem = why_not_writable(find_view(image), image.sop_instance_uid, formats)
        if problem is not None:
            raise KneeBundleError(problem, job.file)
    except Exception as error:  # whatever is wrong with a file, the others are still to be answered
        return error
    source = request.spacing_source if image.spacing_source == "argument" else image.spacing_source
    return dataclasses.replace(image, path=str(request.path), spacing_source=source)


def _predict_readable(network: Pipeline, images: Sequence[Radiograph | Exception]) -> list[Answer | Exception]:
    answers = iter(_predict(network, [image for image in images if isinstance(image, Radiograph)]))
    return [next(answers) if isinstance(image, Radiograph) else image for image in images]


def _predict(network: Pipeline, images: list[Radiograph]) -> list[Answer | Exception]:
    """The batch's answers; where the batch as a whole fails, those of its images one by one."""
    if not images:
        return []
    try:
        answers = list(network.predict_batch(images))
        if len(answers) != len(images):
            raise RuntimeError(f"the pipeline gave {len(answers)} answers for {len(images)} images")
        return [*answers]
    except Exception as error:
        return [error] if len(images) == 1 else [answer for image in images for answer in _predict(network, [image])]


def _reason(error: Exception) -> str:
    if isinstance(error, KneeBundleError):
        return error.reason
    return " ".join(f"unexpected {type(error).__name__}: {error}; please report it".split())


class _Folder:
    """The output folder of a run: where its records are, and what is in them."""

    def __init__(self, output: Path, formats: Collection[str]) -> None:
        self.output = output
        self.formats = formats
        self.places = (output, output / _HIDDEN_RECORDS)
        self.records = self.places["json" not in formats]
        try:
            self.records.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            reason = f"cannot make the output folder ({error.strerror}); give another with -o"
            raise KneeBundleError(reason, output) from error
        self.names = {_identity(document): name for name, document in self._existing()}

    def jobs(self, requests: Sequence[ImageRequest]) -> list[_Job]:
        """Name the files of each image: as an earlier run did, or so that no other image's files are touched."""
        paths = [request.path for request in requests]
        own = {os.path.abspath(path) for path in paths}
        others = [name for path, name in self.names.items() if path not in own]
        fresh = output_names(paths, others)
        named = [self.names.get(os.path.abspath(path), name) for path, name in zip(paths, fresh, strict=True)]
        both = zip(requests, named, strict=True)
        return [_Job(i, request, request.path.absolute(), name) for i, (request, name) in enumerate(both)]

    def has(self, job: _Job) -> bool:
        """Whether an earlier run has answered this image in all the formats that are wanted."""
        if os.path.abspath(job.request.path) not in self.names:
            return False
        if "json" in self.formats and not (self.output / f"{job.name}.json").exists():
            return False
        files = expected_files(self._document(job.name) or {}, job.name, self.formats)
        return all((self.output / file).exists() for file in files)

    def write(self, job: _Job, answer: Answer | Exception) -> Answer | Exception:
        """Write a result's files, the record last; gives back the result, or why it could not be written.

        What an earlier run answered to an image that is refused now is taken away.
        """
        try:
            if isinstance(answer, Exception):
                for place in self.places:
                    (place / f"{job.name}.json").unlink(missing_ok=True)
                for file in possible_files(job.name):
                    (self.output / file).unlink(missing_ok=True)
                return answer
            write_files(answer, job.file, self.records / f"{job.name}.json", self.output, job.name, self.formats)
        except Exception as error:
            return error
        return answer

    def write_tables(self, jobs: Sequence[_Job], errors: Sequence[tuple[str, str]]) -> None:
        if "csv" in self.formats:
            write_landmarks(self._documents(jobs), self.output / "landmarks.csv")
            write_measurements(self._documents(jobs), self.output / "measurements.csv")
        write_errors(errors, self.output / "errors.csv")

    def _documents(self, jobs: Sequence[_Job]) -> Iterator[dict[str, Any]]:
        """All records of the folder: those of the jobs in their order, then the others by name."""
        order = {job.name: job.index for job in jobs}
        names = {name for name, _ in self._existing()}
        for name in sorted(names, key=lambda name: (order.get(name, len(order)), name)):
            document = self._document(name)
            if document is not None:
                yield document

    def _existing(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for name in sorted({path.stem for place in self.places for path in place.glob("[!.]*.json")}):
            document = self._document(name)
            if document is not None:
                yield name, document

    def _document(self, name: str) -> dict[str, Any] | None:
        """The record of that name; the one in the place that this run writes to goes before the other."""
        ordered = (self.records, *self.places)
        return next(filter(None, (read_document(place / f"{name}.json") for place in ordered)), None)


def _identity(document: dict[str, Any]) -> str:
    """Which image a record is about."""
    return os.path.abspath(document["image"]["path"])
