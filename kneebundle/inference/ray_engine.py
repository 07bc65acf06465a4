"""Films answered by many processes, on one machine or several, through Ray Data.

Ray's actors load the pipeline once each and are given some films at a time. They read the films and write the files
themselves, so films and output folder must be under the same path for all of them; only a few bytes a film pass through Ray.
"""

from __future__ import annotations

import logging
import os
import pickle
import socket
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from kneebundle.errors import KneeBundleError
from kneebundle.inference.answering import Job, OutputFolder, Pipeline
from kneebundle.inference.ledger import Ledger, Outcome
from kneebundle.inference.ray_worker import FilmWorker, WorkerPlan

__all__ = ["RayEngine", "Share", "share_out"]

BYTES_PER_ACTOR = 2**31
"""Memory that an actor is counted with where nobody says how many there are to be."""
BATCHES_A_TASK = 16
TASKS_PER_ACTOR = 8
_OBJECT_STORE_BYTES = 2**28
_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",  # under `uv run`, Ray would copy the working directory to all machines
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


@dataclass(frozen=True)
class Share:
    """How many actors there are, and the cores and GPUs of each."""

    actors: int
    cpus: int
    gpus: float


class RayEngine:
    """An :data:`~kneebundle.inference.answering.Engine` over the actors of a Ray cluster.

    Where the program has connected itself to Ray before, that is used; else a Ray started for the call stops after it.

    Args:
        address: of a cluster, as ``ray.init`` takes it (``"auto"``, ``"host:6379"``, ``"ray://host:10001"``); None: a Ray of
            this machine alone, started for the call.
        actors: processes that answer films; None: one a GPU or, without any, one a core, as far as memory goes.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``; with ``"auto"`` GPUs are used if the cluster has any.

    Raises:
        KneeBundleError: if Ray is not installed.
    """

    def __init__(self, address: str | None = None, actors: int | None = None, device: str = "auto") -> None:
        self.address = address
        self.actors = actors
        self.device = device
        _ray()

    def __call__(
        self,
        jobs: Sequence[Job],
        folder: OutputFolder,
        pipeline: Callable[[], Pipeline],
        batch_size: int,
        workers: int,
    ) -> Iterator[Outcome]:
        """Answer films, as :func:`~kneebundle.inference.answering.answer_jobs` does; outcomes come as they are ready.

        Args:
            pipeline: is sent to the actors, and called there.
            workers: threads of each actor that read and write.

        Raises:
            KneeBundleError: if Ray cannot be reached or has not what is asked for, or an actor cannot start.
        """
        if not jobs:
            return
        ray = _ray()
        with _connected(self.address), _sign_in(folder.output) as sign:
            nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
            share = share_out(nodes, self.actors, self.device)
            plan = WorkerPlan(folder, pipeline, batch_size, workers, share.cpus, sign)
            ledger = ray.remote(Ledger).options(num_cpus=0, max_restarts=-1, max_task_retries=-1).remote()
            try:
                for answer in _answers(_tasks(jobs, share.actors, batch_size), plan, ledger, share):
                    if isinstance(answer, KneeBundleError):
                        raise answer
                    yield from answer
            except ray.exceptions.RayError as error:
                raise KneeBundleError(f"Ray failed ({_first_line(error)}); the same call goes on from here") from error
            finally:
                ray.kill(ledger)


def share_out(nodes: Sequence[Mapping[str, float]], actors: int | None, device: str) -> Share:
    """Divide the cores and GPUs of a cluster.

    Args:
        nodes: ``CPU``, ``GPU`` and ``memory`` (bytes) of each machine, what it has not left out.
        actors: how many there are to be; None: see :class:`RayEngine`.
        device: with ``"cpu"``, GPUs are left alone; else, where there are any, only machines with one take part.

    Raises:
        KneeBundleError: if there is no GPU for ``"cuda"``, or fewer cores than actors.
    """
    with_gpu = [] if device == "cpu" else [node for node in nodes if node.get("GPU", 0) >= 1]
    if device == "cuda" and not with_gpu:
        raise KneeBundleError("Ray has no GPU; use --device cpu")
    used = with_gpu or nodes
    cores = [int(node.get("CPU", 0)) for node in used]
    gpus = sum(int(node["GPU"]) for node in with_gpu)
    if actors is None:
        fitting = sum(int(node.get("memory", 0) // BYTES_PER_ACTOR) for node in used)
        actors = max(1, min(gpus or sum(cores), fitting))
    if sum(cores) < actors:
        raise KneeBundleError(f"Ray has {sum(cores)} cores for {actors} actors; give --actors {sum(cores)} or fewer")
    cpus = next(n for n in range(max(cores), 0, -1) if sum(c // n for c in cores) >= actors)
    return Share(actors, cpus, 1 / -(-actors // gpus) if gpus else 0)


def _tasks(jobs: Sequence[Job], actors: int, batch_size: int) -> list[Sequence[Job]]:
    """Cut the jobs: several tasks for each actor, so that none waits long for the last; none so large that much is lost."""
    size = max(1, min(BATCHES_A_TASK * batch_size, len(jobs) // (TASKS_PER_ACTOR * actors)))
    return [jobs[start : start + size] for start in range(0, len(jobs), size)]


def _answers(
    tasks: Sequence[Sequence[Job]], plan: WorkerPlan, ledger: Any, share: Share
) -> Iterator[list[Outcome] | KneeBundleError]:
    """The outcomes of each task, in any order, or why an actor could not start."""
    ray = _ray()
    # pickled, because a file name need not be text that Arrow can hold
    rows = ray.data.from_items([{"jobs": pickle.dumps(task)} for task in tasks], override_num_blocks=len(tasks))
    answered = rows.map(
        _Actor,
        fn_constructor_args=(plan, ledger),
        num_cpus=share.cpus,
        num_gpus=share.gpus,
        compute=ray.data.ActorPoolStrategy(size=min(share.actors, len(tasks)), max_tasks_in_flight_per_actor=2),
    )
    answered.context.enable_progress_bars = answered.context.print_on_execution_start = False
    for batch in answered.iter_batches(batch_size=None, prefetch_batches=0, batch_format="numpy"):
        yield from (pickle.loads(outcomes) for outcomes in batch["outcomes"])


class _Actor:
    """A :class:`FilmWorker` as Ray Data calls it; why it could not start goes back in the place of outcomes."""

    def __init__(self, plan: WorkerPlan, ledger: Any) -> None:
        try:
            self.worker: FilmWorker | KneeBundleError = FilmWorker(plan, _RemoteLedger(ledger))
        except KneeBundleError as error:
            self.worker = error

    def __call__(self, row: dict[str, bytes]) -> dict[str, bytes]:
        worker = self.worker
        answer = worker if isinstance(worker, KneeBundleError) else worker.answer(pickle.loads(row["jobs"]))
        return {"outcomes": pickle.dumps(answer)}


class _RemoteLedger:
    """A :class:`Ledger` in a process of its own."""

    def __init__(self, handle: Any) -> None:
        self.handle = handle

    def begin(self, task: Hashable) -> int:
        return int(_ray().get(self.handle.begin.remote(task)))

    def tell(self, outcome: Outcome) -> None:
        self.handle.tell.remote(outcome)

    def known(self, indices: Iterable[int]) -> dict[int, Outcome]:
        outcomes: dict[int, Outcome] = _ray().get(self.handle.known.remote(list(indices)))
        return outcomes


def _ray() -> Any:
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise KneeBundleError('--engine ray needs Ray: pip install "kneebundle[ray]"') from error
    return ray


@contextmanager
def _connected(address: str | None) -> Iterator[None]:
    """Connect to Ray, or start one of this machine alone, unless the program is connected already."""
    ray = _ray()
    if ray.is_initialized():
        yield
        return
    quiet = {"log_to_driver": False, "logging_level": logging.CRITICAL}
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    try:
        if address is None:
            own = {"include_dashboard": False, "object_store_memory": _OBJECT_STORE_BYTES}
            ray.init(address="local", **own, **quiet)
        else:
            _knock(address)
            ray.init(address=address, **quiet)
    except Exception as error:
        if address is None:
            raise KneeBundleError(f"cannot start Ray ({_first_line(error)}); use --engine local") from error
        reason = "is it running there, and does it ask for a token (RAY_AUTH_MODE=token)?"
        raise KneeBundleError(f"cannot connect to Ray at {address} ({_first_line(error)}); {reason}") from error
    try:
        yield
    finally:
        ray.shutdown()


def _knock(address: str) -> None:
    """Raise OSError where nobody listens, which Ray would wait for."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()


@contextmanager
def _sign_in(output: Path) -> Iterator[Path]:
    """A hidden file by which the actors know that a folder is the same one."""
    sign = output / f".ray-{uuid4().hex[:12]}"
    try:
        sign.touch()
    except OSError as error:
        raise KneeBundleError(
            f"cannot write into this folder ({error.strerror}); give another with -o", output
        ) from error
    try:
        yield sign
    finally:
        sign.unlink(missing_ok=True)


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
