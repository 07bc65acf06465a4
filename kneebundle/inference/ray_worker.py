"""What a worker process of ``--engine ray`` does with the films it is given, and how a film that kills it is told.

Ray starts a worker that died anew and gives it the same films again. What the dead one had answered is in the ledger and
not done again; the others are then taken one at a time, so that a film that kills its worker every time gives itself
away and is refused, and the films beside it are answered.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import kneebundle
from kneebundle.errors import KneeBundleError
from kneebundle.inference.answering import Job, OutputFolder, Pipeline, answer_jobs
from kneebundle.inference.ledger import Outcome

__all__ = ["DEATHS", "FilmWorker", "WorkerPlan", "WorkerRecords"]

DEATHS = 2
"""A film that was alone with its worker when it died so many times is not tried again in the same run."""


class WorkerRecords(Protocol):
    """What a worker asks of a :class:`~kneebundle.inference.ledger.Ledger`, which may be in another process."""

    def begin(self, task: Hashable) -> int: ...

    def tell(self, outcome: Outcome) -> None: ...

    def known(self, indices: Iterable[int]) -> dict[int, Outcome]: ...


@dataclass(frozen=True)
class WorkerPlan:
    """What every worker of a run needs to know.

    Attributes:
        folder: where the films' files go.
        pipeline: makes the pipeline.
        batch_size, workers: as for :func:`~kneebundle.inference.answering.answer_jobs`.
        threads: cores of a worker.
        sign: a file in the output folder that the driver put there.
        version: of the driver's kneebundle.
    """

    folder: OutputFolder
    pipeline: Callable[[], Pipeline]
    batch_size: int
    workers: int
    threads: int
    sign: Path
    version: str = kneebundle.__version__


class FilmWorker:
    """Answers films with a pipeline that it makes once.

    Args:
        plan: of the run.
        ledger: of the run.

    Raises:
        KneeBundleError: if the output folder is not the driver's, kneebundle is of another version than there, or the
            pipeline cannot be made.
    """

    def __init__(self, plan: WorkerPlan, ledger: WorkerRecords) -> None:
        self.plan = plan
        self.ledger = ledger
        self._check_place()
        _use_threads(plan.threads)
        self.pipeline = plan.pipeline()

    def answer(self, jobs: Sequence[Job]) -> list[Outcome]:
        """Outcomes of some films, in their order; each is told to the ledger as soon as it is known."""
        if self.ledger.begin(("films", jobs[0].index)) == 0:
            return self._answer(jobs, self.plan.batch_size)
        known = self.ledger.known([job.index for job in jobs])
        return [known.get(job.index) or self._alone(job) for job in jobs]

    def _alone(self, job: Job) -> Outcome:
        if self.ledger.begin(("film", job.index)) < DEATHS:
            return self._answer([job], 1)[0]
        reason = (
            f"the worker process died {DEATHS} times over this file alone; leave it out, or if memory was short, "
            "give each worker more with fewer --actors"
        )
        outcome = self.plan.folder.write(job, KneeBundleError(reason, job.file))
        self.ledger.tell(outcome)
        return outcome

    def _answer(self, jobs: Sequence[Job], batch_size: int) -> list[Outcome]:
        outcomes = []
        for outcome in answer_jobs(jobs, self.plan.folder, lambda: self.pipeline, batch_size, self.plan.workers):
            self.ledger.tell(outcome)
            outcomes.append(outcome)
        return outcomes

    def _check_place(self) -> None:
        host = socket.gethostname()
        if kneebundle.__version__ != self.plan.version:
            raise KneeBundleError(
                f"{host} has kneebundle {kneebundle.__version__} and this machine {self.plan.version}; install the same"
            )
        if not self.plan.sign.exists():
            raise KneeBundleError(
                f"a worker on {host} does not find this folder; -o must be a folder that all machines share, under the same path",
                self.plan.folder.output,
            )


def _use_threads(threads: int) -> None:
    import torch

    torch.set_num_threads(threads)
    os.environ["ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"] = str(threads)
