"""Run a pipeline over images in one process; a failing image is reported and the others go on."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from kneebundle.batch.engine import Job, Outcome, RunOptions
from kneebundle.batch.image_files import ImageFiles
from kneebundle.batch.output_folder import OutputFolder
from kneebundle.pipelines.by_view import Pipeline
from kneebundle.radiograph import Radiograph

__all__ = ["LocalEngine"]


class LocalEngine:
    """An :class:`~kneebundle.batch.engine.Engine` with threads that read and write while the networks predict."""

    def run(
        self, jobs: Sequence[Job], folder: OutputFolder, pipeline: Callable[[], Pipeline[Any]], options: RunOptions
    ) -> Iterator[Outcome]:
        """Read, predict and write batch by batch; the next batches are read and the last one is written meanwhile.

        Args:
            jobs: the images.
            folder: the output folder.
            pipeline: makes the pipeline; called only if there are jobs.
            options: of the run.

        Yields:
            An outcome for each job, in their order.
        """
        if not jobs:
            return
        made = pipeline()
        workers = max(options.workers, 1)
        batches_ahead = -(-workers // options.batch_size)
        pool = ThreadPoolExecutor(workers)
        try:
            writing: list[Future[Outcome]] = []
            for batch in _read_ahead(jobs, folder.files, pool, options.batch_size, batches_ahead):
                results = _predict_readable(made, [image for _, image in batch])
                yield from (future.result() for future in writing)
                both = zip(batch, results, strict=True)
                writing = [pool.submit(folder.write, job, result) for (job, _), result in both]
            yield from (future.result() for future in writing)
        finally:
            pool.shutdown(cancel_futures=True)


def _read_ahead(
    jobs: Sequence[Job], files: ImageFiles, pool: ThreadPoolExecutor, batch_size: int, ahead: int
) -> Iterator[list[tuple[Job, Radiograph | Exception]]]:
    """Read batches in order, with so many further ones being read."""
    reading: deque[list[tuple[Job, Future[Radiograph | Exception]]]] = deque()
    for start in range(0, len(jobs), batch_size):
        reading.append([(job, pool.submit(_read, job, files)) for job in jobs[start : start + batch_size]])
        if len(reading) > ahead:
            yield [(job, future.result()) for job, future in reading.popleft()]
    for batch in reading:
        yield [(job, future.result()) for job, future in batch]


def _read(job: Job, files: ImageFiles) -> Radiograph | Exception:
    try:
        return files.read(job.request, job.file)
    except Exception as error:  # whatever is wrong with an image, the others are still to be done
        return error


def _predict_readable(pipeline: Pipeline[Any], images: Sequence[Radiograph | Exception]) -> list[Any]:
    """A result or an exception for each image; one that could not be read keeps its own."""
    results = iter(_predict(pipeline, [image for image in images if isinstance(image, Radiograph)]))
    return [next(results) if isinstance(image, Radiograph) else image for image in images]


def _predict(pipeline: Pipeline[Any], images: Sequence[Radiograph]) -> list[Any]:
    """The results of a batch; where the batch as a whole fails, those of its images one by one."""
    if not images:
        return []
    try:
        results = list(pipeline.predict_batch(images))
        if len(results) != len(images):
            raise RuntimeError(f"the pipeline gave {len(results)} results for {len(images)} images")
        return results
    except Exception as error:
        return [error] if len(images) == 1 else [result for image in images for result in _predict(pipeline, [image])]
