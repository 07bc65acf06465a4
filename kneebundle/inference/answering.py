"""From files to files in one process: reading ahead, batches, and one refused file costing only itself."""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from kneebundle.errors import KneeBundleError
from kneebundle.inference.ledger import Outcome
from kneebundle.inference.manifest import ImageRequest
from kneebundle.inference.results import Answer
from kneebundle.inference.views import find_view
from kneebundle.io.reading import read_radiograph
from kneebundle.radiograph import Radiograph
from kneebundle.reports.files import possible_files, why_not_writable, write_files

__all__ = ["Engine", "Job", "OutputFolder", "Pipeline", "answer_jobs"]

_HIDDEN_RECORDS = ".records"


class Pipeline(Protocol):
    """What a run asks of :class:`kneebundle.inference.routing.PipelinesByView`."""

    def predict_batch(self, radiographs: Sequence[Radiograph]) -> Sequence[Answer | KneeBundleError]:
        """An answer or a refusal for each radiograph, in their order."""
        ...


@dataclass(frozen=True)
class Job:
    """An image to be answered.

    Attributes:
        index: its place in the input.
        request: the image and what the user knows of it.
        file: its absolute path.
        name: what the names of its files begin with.
    """

    index: int
    request: ImageRequest
    file: Path
    name: str


class OutputFolder:
    """Where the files of a run go; it touches the disk only in :meth:`write`, and processes may hand it on.

    Args:
        output: the folder, absolute.
        formats: of :data:`kneebundle.reports.files.FORMATS`.

    Attributes:
        records: the folder of the records, the JSON files.
        places: both folders where records may lie.
    """

    def __init__(self, output: Path, formats: Collection[str]) -> None:
        self.output = output
        self.formats = tuple(formats)
        self.places = (output, output / _HIDDEN_RECORDS)
        self.records = self.places["json" not in formats]

    def write(self, job: Job, answer: Answer | Exception) -> Outcome:
        """Write an answer's files, the record last; what cannot be written is refused.

        What an earlier run answered to an image that is refused now is taken away.
        """
        try:
            if isinstance(answer, Exception):
                for place in self.places:
                    (place / f"{job.name}.json").unlink(missing_ok=True)
                for file in possible_files(job.name):
                    (self.output / file).unlink(missing_ok=True)
                return Outcome(job.index, _reason(answer))
            write_files(answer, job.file, self.records / f"{job.name}.json", self.output, job.name, self.formats)
        except Exception as error:
            return Outcome(job.index, _reason(error))
        return Outcome(job.index, flagged=answer.flagged)


Engine = Callable[[Sequence[Job], OutputFolder, Callable[[], Pipeline], int, int], Iterator[Outcome]]
"""Answers jobs into a folder, with a pipeline made by the third argument, in batches of the fourth, with as many threads
as the fifth that read and write: :func:`answer_jobs` or one that hands out the jobs to several processes that do so."""


def answer_jobs(
    jobs: Sequence[Job], folder: OutputFolder, pipeline: Callable[[], Pipeline], batch_size: int, workers: int
) -> Iterator[Outcome]:
    """Read, predict and write batch by batch; the threads read the next batches and write the last one meanwhile.

    Args:
        jobs: the images.
        folder: where their files go.
        pipeline: makes the pipeline; called only if there are jobs.
        batch_size: images that go to the pipeline together.
        workers: threads; at least one is started.

    Yields:
        An outcome for each job, in their order.
    """
    if not jobs:
        return
    network = pipeline()
    workers = max(workers, 1)
    pool = ThreadPoolExecutor(workers)
    try:
        writing: list[Future[Outcome]] = []
        for batch in _read_ahead(jobs, folder.formats, pool, batch_size, ahead=-(-workers // batch_size)):
            answers = _predict_readable(network, [image for _, image in batch])
            yield from (future.result() for future in writing)
            writing = [pool.submit(folder.write, job, a) for (job, _), a in zip(batch, answers, strict=True)]
        yield from (future.result() for future in writing)
    finally:
        pool.shutdown(cancel_futures=True)


def _read_ahead(
    jobs: Sequence[Job], formats: Collection[str], pool: ThreadPoolExecutor, batch_size: int, ahead: int
) -> Iterator[list[tuple[Job, Radiograph | Exception]]]:
    """Batches in order, with so many further ones being read."""
    reading: deque[list[tuple[Job, Future[Radiograph | Exception]]]] = deque()
    for start in range(0, len(jobs), batch_size):
        reading.append([(job, pool.submit(_read, job, formats)) for job in jobs[start : start + batch_size]])
        if len(reading) > ahead:
            yield [(job, future.result()) for job, future in reading.popleft()]
    for batch in reading:
        yield [(job, future.result()) for job, future in batch]


def _read(job: Job, formats: Collection[str]) -> Radiograph | Exception:
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
