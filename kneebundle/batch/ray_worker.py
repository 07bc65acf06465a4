"""What a worker process of the Ray engine does with the images it is given, and how an image that kills it is told.

Ray starts a worker that died anew and gives it the same images again. What the dead one had finished is in the progress
and not done again; the others are then taken one at a time, so that an image that kills its worker every time is found
out and becomes an error, and the images beside it are done.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import kneebundle
from kneebundle.batch.engine import Job, Outcome, RunOptions
from kneebundle.batch.local_engine import LocalEngine
from kneebundle.batch.output_folder import OutputFolder
from kneebundle.batch.ray_progress import Progress
from kneebundle.errors import KneeBundleError
from kneebundle.pipelines.by_view import Pipeline

__all__ = ["MOST_DEATHS", "RayWorker", "WorkerPlan"]

MOST_DEATHS = 2
"""An image that was alone with its worker when it died so many times is not tried again in the same run."""


@dataclass(frozen=True)
class WorkerPlan:
    """What every worker of a run needs to know.

    Attributes:
        folder: the output folder.
        pipeline: makes the pipeline.
        options: of the run.
        threads: cores of a worker.
        sign: a file in the output folder that the driver put there.
        version: of the driver's kneebundle.
    """

    folder: OutputFolder
    pipeline: Callable[[], Pipeline[Any]]
    options: RunOptions
    threads: int
    sign: Path
    version: str = kneebundle.__version__


class RayWorker:
    """Does jobs with a pipeline that it makes once.

    Args:
        plan: of the run.
        progress: of the run, perhaps in another process.

    Raises:
        KneeBundleError: if the output folder is not the driver's, kneebundle is of another version than there, or the
            pipeline cannot be made.
    """

    def __init__(self, plan: WorkerPlan, progress: Progress) -> None:
        self.plan = plan
        self.progress = progress
        self._check_machine()
        _use_threads(plan.threads)
        self.pipeline = plan.pipeline()

    def run(self, jobs: Sequence[Job]) -> list[Outcome]:
        """Do some jobs; each outcome, in their order, is reported to the progress as soon as it is known."""
        if self.progress.count_start(("images", jobs[0].index)) == 0:
            return self._run(jobs, self.plan.options)
        known = self.progress.find_outcomes([job.index for job in jobs])
        return [known.get(job.index) or self._run_alone(job) for job in jobs]

    def _run_alone(self, job: Job) -> Outcome:
        if self.progress.count_start(("image", job.index)) < MOST_DEATHS:
            return self._run([job], replace(self.plan.options, batch_size=1))[0]
        reason = (
            f"the worker process died {MOST_DEATHS} times over this file alone; leave it out, or if memory was short, "
            "run fewer workers, so that each has more"
        )
        outcome = self.plan.folder.write(job, KneeBundleError(reason, job.file, "actors"))
        self.progress.report(outcome)
        return outcome

    def _run(self, jobs: Sequence[Job], options: RunOptions) -> list[Outcome]:
        outcomes = []
        for outcome in LocalEngine().run(jobs, self.plan.folder, lambda: self.pipeline, options):
            self.progress.report(outcome)
            outcomes.append(outcome)
        return outcomes

    def _check_machine(self) -> None:
        host = socket.gethostname()
        if kneebundle.__version__ != self.plan.version:
            raise KneeBundleError(
                f"{host} has kneebundle {kneebundle.__version__} and this machine {self.plan.version}; install the same"
            )
        if not self.plan.sign.exists():
            raise KneeBundleError(
                f"a worker on {host} does not find this folder; it must be a folder that all machines share, under the "
                "same path",
                self.plan.folder.path,
                "output",
            )


def _use_threads(threads: int) -> None:
    import torch

    torch.set_num_threads(threads)
    os.environ["ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"] = str(threads)
