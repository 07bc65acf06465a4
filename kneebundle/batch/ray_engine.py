"""Run a pipeline over images in many processes, on one machine or several, through Ray Data.

The actors of Ray load the pipeline once each and are given some images at a time. They read the images and write the
files themselves, so images and output folder must be under the same path for all of them; only a few bytes an image
pass through Ray.
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

from kneebundle.batch.engine import Job, Outcome, RunOptions
from kneebundle.batch.output_folder import OutputFolder
from kneebundle.batch.ray_progress import Progress
from kneebundle.batch.ray_worker import RayWorker, WorkerPlan
from kneebundle.errors import KneeBundleError
from kneebundle.pipelines.by_view import Pipeline

__all__ = ["RayEngine", "Share", "share_resources"]

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
    """An :class:`~kneebundle.batch.engine.Engine` over the actors of a Ray cluster.

    Where the program has connected itself to Ray before, that is used; else a Ray started for the run stops after it.

    Args:
        address: of a cluster, as ``ray.init`` takes it (``"auto"``, ``"host:6379"``, ``"ray://host:10001"``); None: a
            Ray of this machine alone, started for the run.
        actors: processes that predict; None: one a GPU or, without any, one a core, as far as memory goes.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``; with ``"auto"`` GPUs are used if the cluster has any.

    Raises:
        KneeBundleError: if Ray is not installed.
    """

    def __init__(self, address: str | None = None, actors: int | None = None, device: str = "auto") -> None:
        self.address = address
        self.actors = actors
        self.device = device
        _import_ray()

    def run(
        self, jobs: Sequence[Job], folder: OutputFolder, pipeline: Callable[[], Pipeline[Any]], options: RunOptions
    ) -> Iterator[Outcome]:
        """Do jobs, as :class:`~kneebundle.batch.local_engine.LocalEngine` does; outcomes come as they are ready.

        Args:
            jobs: the images.
            folder: the output folder.
            pipeline: is sent to the actors, and called there.
            options: of the run; ``workers`` threads of each actor read and write.

        Raises:
            KneeBundleError: if Ray cannot be reached or has not what is asked for, or an actor cannot start.
        """
        if not jobs:
            return
        ray = _import_ray()
        with _connect(self.address), _leave_sign(folder.path) as sign:
            nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
            share = share_resources(nodes, self.actors, self.device)
            plan = WorkerPlan(folder, pipeline, options, share.cpus, sign)
            progress = ray.remote(Progress).options(num_cpus=0, max_restarts=-1, max_task_retries=-1).remote()
            try:
                for outcomes in _run_tasks(_cut_tasks(jobs, share.actors, options.batch_size), plan, progress, share):
                    if isinstance(outcomes, KneeBundleError):
                        raise outcomes
                    yield from outcomes
            except ray.exceptions.RayError as error:
                raise KneeBundleError(f"Ray failed ({_first_line(error)}); run it again to resume") from error
            finally:
                ray.kill(progress)


def share_resources(nodes: Sequence[Mapping[str, float]], actors: int | None, device: str) -> Share:
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
        raise KneeBundleError("Ray has no GPU", field="device")
    used = with_gpu or nodes
    cores = [int(node.get("CPU", 0)) for node in used]
    gpus = sum(int(node["GPU"]) for node in with_gpu)
    if actors is None:
        fitting = sum(int(node.get("memory", 0) // BYTES_PER_ACTOR) for node in used)
        actors = max(1, min(gpus or sum(cores), fitting))
    if sum(cores) < actors:
        reason = f"Ray has {sum(cores)} cores for {actors} actors; {sum(cores)} or fewer are needed"
        raise KneeBundleError(reason, field="actors")
    cpus = next(n for n in range(max(cores), 0, -1) if sum(c // n for c in cores) >= actors)
    return Share(actors, cpus, 1 / -(-actors // gpus) if gpus else 0)


def _cut_tasks(jobs: Sequence[Job], actors: int, batch_size: int) -> list[Sequence[Job]]:
    """Cut the jobs into several tasks for each actor, so that none waits long for the last; little is lost with one."""
    size = max(1, min(BATCHES_A_TASK * batch_size, len(jobs) // (TASKS_PER_ACTOR * actors)))
    return [jobs[start : start + size] for start in range(0, len(jobs), size)]


def _run_tasks(
    tasks: Sequence[Sequence[Job]], plan: WorkerPlan, progress: Any, share: Share
) -> Iterator[list[Outcome] | KneeBundleError]:
    """The outcomes of each task, in any order, or why an actor could not start."""
    ray = _import_ray()
    # pickled, because a file name need not be text that Arrow can hold
    rows = ray.data.from_items([{"jobs": pickle.dumps(task)} for task in tasks], override_num_blocks=len(tasks))
    done = rows.map(
        _Actor,
        fn_constructor_args=(plan, progress),
        num_cpus=share.cpus,
        num_gpus=share.gpus,
        compute=ray.data.ActorPoolStrategy(size=min(share.actors, len(tasks)), max_tasks_in_flight_per_actor=2),
    )
    done.context.enable_progress_bars = done.context.print_on_execution_start = False
    for batch in done.iter_batches(batch_size=None, prefetch_batches=0, batch_format="numpy"):
        yield from (pickle.loads(outcomes) for outcomes in batch["outcomes"])


class _Actor:
    """A :class:`RayWorker` as Ray Data calls it; why it could not start goes back in the place of outcomes."""

    def __init__(self, plan: WorkerPlan, progress: Any) -> None:
        try:
            self.worker: RayWorker | KneeBundleError = RayWorker(plan, _RemoteProgress(progress))
        except KneeBundleError as error:
            self.worker = error

    def __call__(self, row: dict[str, bytes]) -> dict[str, bytes]:
        worker = self.worker
        outcomes = worker if isinstance(worker, KneeBundleError) else worker.run(pickle.loads(row["jobs"]))
        return {"outcomes": pickle.dumps(outcomes)}


class _RemoteProgress(Progress):
    """A :class:`Progress` in a process of its own."""

    def __init__(self, handle: Any) -> None:
        self.handle = handle

    def count_start(self, task: Hashable) -> int:
        return int(_import_ray().get(self.handle.count_start.remote(task)))

    def report(self, outcome: Outcome) -> None:
        self.handle.report.remote(outcome)

    def find_outcomes(self, indices: Iterable[int]) -> dict[int, Outcome]:
        outcomes: dict[int, Outcome] = _import_ray().get(self.handle.find_outcomes.remote(list(indices)))
        return outcomes


def _import_ray() -> Any:
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise KneeBundleError('this engine needs Ray: pip install "kneebundle[ray]"', field="engine") from error
    return ray


@contextmanager
def _connect(address: str | None) -> Iterator[None]:
    """Connect to Ray, or start one of this machine alone, unless the program is connected already."""
    ray = _import_ray()
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
            raise KneeBundleError(f"cannot start Ray ({_first_line(error)})", field="engine") from error
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
def _leave_sign(output: Path) -> Iterator[Path]:
    """A hidden file by which the actors know that a folder is the same one."""
    sign = output / f".ray-{uuid4().hex[:12]}"
    try:
        sign.touch()
    except OSError as error:
        raise KneeBundleError(f"cannot write into this folder ({error.strerror})", output, "output") from error
    try:
        yield sign
    finally:
        sign.unlink(missing_ok=True)


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
