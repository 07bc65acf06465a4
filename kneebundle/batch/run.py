"""Predict or register many images, with their files in an output folder.

An image is done when its record, the JSON file, is there; it is written last. A later run with the same output folder
skips what is done, tries again what was an error, and then writes ``landmarks.csv`` and ``measurements.csv`` anew
from all records in the folder: those of its own images in their order, then any others by name. ``errors.csv`` lists
the errors of the last run and has only its header where there are none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kneebundle.batch.engine import Engine, RunOptions
from kneebundle.batch.image_files import ImageFiles, PredictionFiles, RegisteredCropFiles
from kneebundle.batch.local_engine import LocalEngine
from kneebundle.batch.output_folder import OutputFolder
from kneebundle.batch.request import ImageRequest
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
    """

    done: int
    skipped: int
    flagged: int
    errors: tuple[tuple[str, str], ...]


def predict_images(
    requests: Sequence[ImageRequest],
    output: Path,
    pipeline: Callable[[], Pipeline[Prediction]],
    options: RunOptions = _DEFAULTS,
    engine: Engine = _LOCAL,
) -> RunSummary:
    """Predict images, as ``kneebundle predict`` does.

    Args:
        requests: the images; :func:`kneebundle.batch.names.output_names` names their files. Files of other images
            that an earlier run put into the folder stay.
        output: the output folder; it is made if it is not there.
        pipeline: makes the pipeline; called only if there is something to do.
        options: of the run.
        engine: makes the predictions of the images that are left to do.

    Raises:
        KneeBundleError: only from ``pipeline()``, from the engine as a whole or if the folder cannot be made; an image
            that cannot be used is in the summary.
    """
    return run_batch(requests, output, PredictionFiles(options.formats), pipeline, options, engine)


def register_images(
    requests: Sequence[ImageRequest],
    output: Path,
    model: Callable[[], Pipeline[RegistrationResult]],
    options: RunOptions = _DEFAULTS,
    engine: Engine = _LOCAL,
) -> RunSummary:
    """Register crops of knees, as ``kneebundle register`` does.

    Args:
        requests: the crops.
        output: the output folder; it is made if it is not there.
        model: makes the :class:`kneebundle.registration.model.RegistrationModel`; called only if there is something to
            do.
        options: of the run; the formats are always JSON and PNG.
        engine: registers the crops that are left to do.

    Raises:
        KneeBundleError: as :func:`predict_images`.
    """
    return run_batch(requests, output, RegisteredCropFiles(), model, options, engine)


def run_batch(
    requests: Sequence[ImageRequest],
    output: Path,
    files: ImageFiles,
    pipeline: Callable[[], Pipeline[Any]],
    options: RunOptions = _DEFAULTS,
    engine: Engine = _LOCAL,
) -> RunSummary:
    """Make the files of images; :func:`predict_images` and :func:`register_images` differ in ``files`` alone."""
    from tqdm import tqdm

    # absolute paths, because ITK changes the working directory for a moment when it is loaded, under the threads' feet
    folder = OutputFolder(output.absolute(), files, options.advice)
    jobs = folder.plan(requests)
    left = folder.select(jobs, options.overwrite)
    skipped = len(jobs) - len(left)
    reasons: dict[int, str] = {}
    flagged = 0
    hidden = None if options.progress else True  # None: hidden where stderr is no terminal
    with tqdm(total=len(jobs), initial=skipped, unit="image", disable=hidden) as bar:
        for outcome in engine.run(left, folder, pipeline, options):
            if outcome.error is not None:
                reasons[outcome.index] = outcome.error
            flagged += outcome.flagged
            bar.update()
    errors = tuple((str(jobs[index].request.path), reasons[index]) for index in sorted(reasons))
    folder.write_tables(jobs, errors)
    return RunSummary(len(left) - len(errors), skipped, flagged, errors)
