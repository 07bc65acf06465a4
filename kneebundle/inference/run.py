"""Many images to files: by whichever engine, with the same books.

An image is done when its record, the JSON file, is there; it is written last. A later run with the same output folder
leaves out what is done, tries again what was refused, and then writes ``landmarks.csv`` and ``measurements.csv`` anew
from all records in the folder: those of its own images in their order, then any others by name. ``errors.csv`` lists
what the last run refused and has only its header where that is nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from kneebundle.inference.answering import Engine, OutputFolder, Pipeline, answer_jobs
from kneebundle.inference.books import Books
from kneebundle.inference.manifest import ImageRequest

__all__ = ["FORMATS", "RunSummary", "predict_images"]

FORMATS = ("json", "csv", "png")
"""What is written unless other formats are asked for."""


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
    engine: Engine = answer_jobs,
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
        engine: what answers the images that are left to do; the default does it in this process.

    Raises:
        KneeBundleError: only from ``pipeline()``, from the engine as a whole or if the folder cannot be made; a file's
            refusal is in the summary.
    """
    from tqdm import tqdm

    # absolute paths, because ITK changes the working directory for a moment when it is loaded, under the threads' feet
    folder = OutputFolder(output.absolute(), formats)
    books = Books(folder)
    jobs = books.jobs(requests)
    todo = [job for job in jobs if overwrite or not books.has(job)]
    refused: dict[int, str] = {}
    flagged = 0
    with tqdm(total=len(jobs), initial=len(jobs) - len(todo), unit="image", disable=None if progress else True) as bar:
        for outcome in engine(todo, folder, pipeline, batch_size, workers):
            if outcome.refused is not None:
                refused[outcome.index] = outcome.refused
            flagged += outcome.flagged
            bar.update()
    errors = tuple((str(jobs[i].request.path), refused[i]) for i in sorted(refused))
    books.write_tables(jobs, errors)
    return RunSummary(len(todo) - len(refused), len(jobs) - len(todo), flagged, errors)
