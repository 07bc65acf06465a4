"""What an engine is: it makes the results of a run's images. Nothing here is slow to import.

A run (:mod:`kneebundle.batch.run`) gives an engine jobs and gets outcomes back;
:class:`~kneebundle.batch.local_engine.LocalEngine` and :class:`~kneebundle.batch.ray_engine.RayEngine` are engines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from kneebundle.batch.output_folder import OutputFolder
    from kneebundle.batch.request import ImageRequest
    from kneebundle.io.file_content import FileState
    from kneebundle.pipelines.by_view import Pipeline

__all__ = ["DEFAULT_FORMATS", "FORMATS", "TABLE_FORMATS", "Engine", "Job", "Outcome", "RunOptions"]

FORMATS = ("json", "csv", "png", "html", "seg", "sr", "gsps", "slicer", "pts", "via", "coco", "label-studio")
"""What can be written of a prediction. ``csv`` is one table for all images, ``html`` a page for each with an
index; ``seg`` is for lateral films; ``via``, ``coco`` and ``label-studio`` are one file for all images."""
TABLE_FORMATS = frozenset({"csv", "html", "via", "coco", "label-studio"})
"""Those with a file about all images, which is written at the end of a run."""
DEFAULT_FORMATS = ("json", "csv", "png")
"""What is written unless other formats are asked for."""


@dataclass(frozen=True)
class RunOptions:
    """How a run goes about its images.

    Attributes:
        formats: of :data:`FORMATS`, for predictions. Without ``"json"`` the records lie in the hidden folder
            ``.records``. An image that a DICOM format cannot refer to is an error before it is predicted.
        batch_size: images that are predicted together.
        workers: threads that read the next images and write the last ones meanwhile; at least one is started.
        overwrite: do again what an earlier run did, instead of resuming it.
        progress: show a bar, where stderr is a terminal.
        advice: by the field of an error, what the user does about it; it is put behind the reason in errors.csv.
        when_busy: what becomes of a run into a folder that another run writes to: ``"wait"`` for its end or
            ``"fail"``.
        deidentify: put pseudonyms in place of paths, UIDs and what DICOM reports say of the patient, see
            :mod:`kneebundle.io.pseudonyms`; the images then come in the order of their pseudonyms.
        salt: file with the salt of the pseudonyms; None: the salt lies in the settings of this account.

    Example:
        >>> RunOptions(formats=("json", "csv")).batch_size
        4
    """

    formats: tuple[str, ...] = DEFAULT_FORMATS
    batch_size: int = 4
    workers: int = 2
    overwrite: bool = False
    progress: bool = False
    advice: Mapping[str, str] = field(default_factory=dict)
    when_busy: str = "wait"
    deidentify: bool = False
    salt: Path | None = None


@dataclass(frozen=True)
class Job:
    """An image whose files are to be made.

    Attributes:
        index: its place in the input.
        request: the image and what the user knows of it.
        file: its absolute path.
        name: what the names of its files begin with.
        state: of the file when the run began, see :func:`kneebundle.io.file_content.read_state`.
    """

    index: int
    request: ImageRequest
    file: Path
    name: str
    state: FileState | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of a job.

    Attributes:
        index: that of the job.
        error: why there is no result, or no file of one of the formats, one line; None: all is there.
        flagged: whether there is a reason to distrust the result.
    """

    index: int
    error: str | None = None
    flagged: bool = False


class Engine(Protocol):
    """Reads the images of jobs, has results made of them and writes their files, in this process or in others."""

    def run(
        self, jobs: Sequence[Job], folder: OutputFolder, pipeline: Callable[[], Pipeline[Any]], options: RunOptions
    ) -> Iterator[Outcome]:
        """Do the jobs.

        Args:
            jobs: the images.
            folder: the output folder; its ``files`` read the images, its ``write`` writes what is about them.
            pipeline: makes the pipeline; called only if there are jobs.
            options: of the run.

        Yields:
            An outcome for each job, in any order; an image that cannot be used is an outcome with an error.
        """
        ...
