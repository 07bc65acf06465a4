"""Predict or register many images, with their files in an output folder.

A later run with the same output folder skips what is done: what was made from the same content, of the same request,
with the same options, weights and version (:mod:`kneebundle.batch.output_folder`). The rest is made again. Then the
tables are written anew from all results in the folder: those of the run's images in their order, then any others by
name. ``errors.csv`` lists the errors of the last run and has only its header where there are none. A run that is
stopped leaves the tables of what is done.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kneebundle.batch.engine import Engine, Job, Outcome, RunOptions
from kneebundle.batch.image_files import ImageFiles, PredictionFiles, RegisteredCropFiles
from kneebundle.batch.local_engine import LocalEngine
from kneebundle.batch.output_folder import OutputFolder
from kneebundle.batch.progress import show_progress
from kneebundle.batch.request import ImageRequest
from kneebundle.io.folder_lock import HIDDEN, hold_folder, unmark_if_empty
from kneebundle.io.paths import show_path
from kneebundle.io.pseudonyms import open_pseudonyms
from kneebundle.pipelines.by_view import Pipeline
from kneebundle.registration.result import RegistrationResult
from kneebundle.results import Prediction

__all__ = ["RunSummary", "predict_images", "register_images", "run_batch"]

_DEFAULTS = RunOptions()
_LOCAL = LocalEngine()


@dataclass(frozen=True)
class RunSummary:
    """What a run did.

    Attributes:
        done: images with a result of this run.
        skipped: images that an earlier run had done.
        flagged: those of ``done`` with a flag on the radiograph or on a knee, without a plan, or not registered.
        errors: path and reason of the images without a result, in the order of the input.
        again: how many results of earlier runs were made again, by the reason.
        notes: lines about what was found in the output folder.
    """

    done: int
    skipped: int
    flagged: int
    errors: tuple[tuple[str, str], ...]
    again: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def predict_images(
    requests: Sequence[ImageRequest],
    output: Path,
    pipeline: Callable[[], Pipeline[Prediction]],
    options: RunOptions = _DEFAULTS,
    engine: Engine = _LOCAL,
    made_with: Mapping[str, Any] | None = None,
) -> RunSummary:
    """Predict images, as ``kneebundle predict`` does.

    Args:
        requests: the images; :func:`kneebundle.batch.names.output_names` names their files. Files of other images
            that an earlier run put into the folder stay.
        output: the output folder; it is made if it is not there.
        pipeline: makes the pipeline; called only if there is something to do.
        options: of the run.
        engine: makes the predictions of the images that are left to do.
        made_with: what the predictions depend on besides the images, see
            :func:`kneebundle.batch.made_with.describe_pipeline`; a result that was made with something else is made
            again.

    Raises:
        KneeBundleError: only from ``pipeline()``, from the engine as a whole, or if the folder cannot be used: it
            cannot be written to, belongs to another command, is held by another run, or has files of others in the way.
            An image that cannot be used is in the summary.
    """
    return run_batch(requests, output, PredictionFiles(options.formats), pipeline, options, engine, made_with)


def register_images(
    requests: Sequence[ImageRequest],
    output: Path,
    model: Callable[[], Pipeline[RegistrationResult]],
    options: RunOptions = _DEFAULTS,
    engine: Engine = _LOCAL,
    made_with: Mapping[str, Any] | None = None,
) -> RunSummary:
    """Register crops of knees, as ``kneebundle register`` does.

    Args:
        requests: the crops.
        output: the output folder; it is made if it is not there.
        model: makes the :class:`kneebundle.registration.model.RegistrationModel`; called only if there is something to
            do.
        options: of the run; the formats are always JSON and PNG.
        engine: registers the crops that are left to do.
        made_with: as for :func:`predict_images`.

    Raises:
        KneeBundleError: as :func:`predict_images`.
    """
    return run_batch(requests, output, RegisteredCropFiles(), model, options, engine, made_with)


def run_batch(
    requests: Sequence[ImageRequest],
    output: Path,
    files: ImageFiles,
    pipeline: Callable[[], Pipeline[Any]],
    options: RunOptions = _DEFAULTS,
    engine: Engine = _LOCAL,
    made_with: Mapping[str, Any] | None = None,
) -> RunSummary:
    """Make the files of images; :func:`predict_images` and :func:`register_images` differ in ``files`` alone."""
    # absolute paths, because ITK changes the working directory for a moment when it is loaded, under the threads' feet
    output = output.absolute()
    with (
        hold_folder(output, options.when_busy, _say if options.progress else None),
        unmark_if_empty(output, [f"{HIDDEN}/results", "errors.csv"]),
    ):
        files.pseudonyms = names = open_pseudonyms(output, options.deidentify, options.salt)
        if names is not None:  # neither rows nor times of files tell the order of the paths
            requests = sorted(requests, key=lambda request: names.name_path(request.path))
        folder = OutputFolder(output, files, options.advice, made_with)
        jobs = folder.plan(requests)
        left = folder.select(jobs, options.overwrite)
        run = _Run(jobs)
        try:
            outcomes = engine.run(left, folder, pipeline, options)
            with show_progress(len(jobs), len(jobs) - len(left), options.progress) as progress, _closing(outcomes):
                for outcome in outcomes:
                    run.note(outcome)
                    progress.count(outcome.error is not None)
        except BaseException as error:
            if not isinstance(error, Exception) or folder.has_results or run.list_errors():
                with suppress(Exception):
                    folder.write_tables(jobs, run.list_errors())
            raise
        errors = run.list_errors()
        folder.write_tables(jobs, errors)
        again = Counter(reason for index, reason in sorted(folder.again.items()) if not run.has_failed(index))
        done, skipped = len(left) - len(errors), len(jobs) - len(left)
        return RunSummary(done, skipped, run.flagged, errors, dict(again), tuple(folder.notes))


class _Run:
    """What became of the jobs so far."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self.jobs = jobs
        self.flagged = 0
        self._reasons: dict[int, str] = {}

    def note(self, outcome: Outcome) -> None:
        if outcome.error is not None:
            self._reasons[outcome.index] = outcome.error
        self.flagged += outcome.flagged

    def has_failed(self, index: int) -> bool:
        return index in self._reasons

    def list_errors(self) -> tuple[tuple[str, str], ...]:
        return tuple((show_path(self.jobs[i].request.path), self._reasons[i]) for i in sorted(self._reasons))


@contextmanager
def _closing(outcomes: Iterator[Outcome]) -> Iterator[None]:
    """Let an engine that is a generator end its threads before the tables are written."""
    try:
        yield
    finally:
        if isinstance(outcomes, Generator):
            outcomes.close()


def _say(line: str) -> None:
    print(f"kneebundle: {line}", file=sys.stderr, flush=True)
