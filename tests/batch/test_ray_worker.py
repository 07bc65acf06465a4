"""What a worker does after it died, and where it does not begin at all; Ray itself is not needed for that."""

from __future__ import annotations

import dataclasses
import pickle
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kneebundle.batch import ray_engine
from kneebundle.batch.engine import Job, Outcome, RunOptions
from kneebundle.batch.image_files import PredictionFiles
from kneebundle.batch.output_folder import OutputFolder
from kneebundle.batch.ray_engine import RayEngine, Share, share_resources
from kneebundle.batch.ray_progress import Progress
from kneebundle.batch.ray_worker import MOST_DEATHS, RayWorker, WorkerPlan
from kneebundle.batch.request import ImageRequest
from kneebundle.cli import ADVICE
from kneebundle.errors import KneeBundleError
from tests.batch.fakes import DeadlyPipeline, FakePipeline, write_picture

GIB = 2**30
MakePlan = Callable[[FakePipeline], WorkerPlan]


class Death(BaseException):
    """Stands for the end of a process."""


class Dying(DeadlyPipeline):
    def die(self) -> None:
        raise Death


@pytest.fixture
def jobs(tmp_path: Path) -> list[Job]:
    """Six images; that of grey 77 is the fifth, in the third batch."""
    greys = [100, 110, 120, 5, 77, 130]
    pictures = [write_picture(tmp_path / "in" / f"k{i}.png", grey) for i, grey in enumerate(greys)]
    return folder(tmp_path).plan([ImageRequest(path, "R", 0.5) for path in pictures])


def folder(tmp_path: Path) -> OutputFolder:
    return OutputFolder(tmp_path / "out", PredictionFiles(("json",)))


@pytest.fixture
def plan(tmp_path: Path) -> MakePlan:
    (tmp_path / "out").mkdir(exist_ok=True)
    (tmp_path / "out/.sign").touch()
    return lambda fake: WorkerPlan(
        folder(tmp_path), lambda: fake, RunOptions(batch_size=2, workers=1), 1, tmp_path / "out/.sign"
    )


def run_whatever_dies(plan: WorkerPlan, progress: Progress, jobs: list[Job]) -> tuple[list[Outcome], int]:
    """The outcomes, and how many workers died before."""
    for deaths in range(10):
        try:
            return RayWorker(plan, progress).run(jobs), deaths
        except Death:
            pass
    raise AssertionError("the worker dies for ever")


def test_images_are_predicted_in_batches_and_reported_to_the_progress(jobs: list[Job], plan: MakePlan) -> None:
    fake, progress = FakePipeline(), Progress()
    outcomes = RayWorker(plan(fake), progress).run(jobs)
    assert fake.batches == [2, 2, 2]
    assert [o.index for o in outcomes if o.error] == [3]
    assert progress.find_outcomes(range(9)) == {o.index: o for o in outcomes}


def test_after_one_death_all_are_predicted_and_what_was_is_not_done_again(
    tmp_path: Path,
    jobs: list[Job],
    plan: MakePlan,
) -> None:
    fake = Dying(77, once=tmp_path / "died")
    outcomes, deaths = run_whatever_dies(plan(fake), Progress(), jobs)
    assert deaths == 1
    assert outcomes == RayWorker(plan(FakePipeline()), Progress()).run(jobs)
    assert fake.batches[-2:] == [1, 1]
    assert all(fake.seen.count(str(job.file)) == 1 for job in jobs[:2])


def test_an_image_that_always_kills_is_an_error_with_its_name_and_the_others_are_predicted(
    tmp_path: Path,
    jobs: list[Job],
    plan: MakePlan,
) -> None:
    RayWorker(plan(FakePipeline()), Progress()).run(jobs)  # an earlier run, which had a prediction for it
    assert (tmp_path / "out/k4.json").exists()
    fake = Dying(77)
    outcomes, deaths = run_whatever_dies(plan(fake), Progress(), jobs)
    assert deaths == 1 + MOST_DEATHS
    assert [o.index for o in outcomes] == [job.index for job in jobs]
    assert [o.index for o in outcomes if o.error] == [3, 4]
    assert outcomes[4].error is not None and f"died {MOST_DEATHS} times over this file alone" in outcomes[4].error
    assert outcomes[4].error.endswith("; the earlier result is kept")
    assert (tmp_path / "out/k4.json").exists() and (tmp_path / "out/k5.json").exists()
    assert [fake.seen.count(str(job.file)) for job in jobs] == [1, 1, 2, 2, 0, 1]


def test_a_worker_that_sees_another_folder_does_not_begin(tmp_path: Path, plan: MakePlan) -> None:
    elsewhere = dataclasses.replace(plan(FakePipeline()), sign=tmp_path / "out/.another")
    with pytest.raises(KneeBundleError, match=r"out: a worker on .* a folder that all machines share"):
        RayWorker(elsewhere, Progress())


def test_a_worker_of_another_version_does_not_begin(plan: MakePlan) -> None:
    with pytest.raises(KneeBundleError, match=r"has kneebundle .* and this machine 0\.0\.1; install the same"):
        RayWorker(dataclasses.replace(plan(FakePipeline()), version="0.0.1"), Progress())


@pytest.mark.parametrize(
    ("nodes", "actors", "device", "share"),
    [
        ([{"CPU": 8, "memory": 64 * GIB}], None, "auto", Share(8, 1, 0)),
        ([{"CPU": 8, "memory": 7 * GIB}], None, "auto", Share(3, 2, 0)),
        ([{"CPU": 2, "memory": 1 * GIB}], None, "cpu", Share(1, 2, 0)),
        ([{"CPU": 8, "memory": 64 * GIB}] * 3, 4, "cpu", Share(4, 4, 0)),
        ([{"CPU": 16, "GPU": 4, "memory": 64 * GIB}, {"CPU": 64, "memory": 64 * GIB}], None, "auto", Share(4, 4, 1)),
        ([{"CPU": 16, "GPU": 2, "memory": 64 * GIB}], 5, "cuda", Share(5, 3, 1 / 3)),
        ([{"CPU": 16, "GPU": 2, "memory": 64 * GIB}], 5, "cpu", Share(5, 3, 0)),
    ],
)
def test_cores_and_gpus_are_shared_out(
    nodes: list[dict[str, float]], actors: int | None, device: str, share: Share
) -> None:
    assert share_resources(nodes, actors, device) == share


@pytest.mark.parametrize(
    ("nodes", "actors", "device", "says"),
    [
        ([{"CPU": 8}], None, "cuda", "Ray has no GPU; use --device cpu"),
        ([{"CPU": 2}, {"CPU": 1}], 4, "cpu", "3 cores for 4 actors; 3 or fewer are needed; say how many with --actors"),
    ],
)
def test_what_the_cluster_has_not_is_an_error(
    nodes: list[dict[str, float]], actors: int | None, device: str, says: str
) -> None:
    with pytest.raises(KneeBundleError) as raised:
        share_resources(nodes, actors, device)
    assert says in raised.value.advised(ADVICE)


def test_without_ray_one_line_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(KneeBundleError, match=r'^this engine needs Ray: pip install "kneebundle\[ray\]"$') as raised:
        RayEngine()
    assert raised.value.advised(ADVICE).endswith("; --engine local needs no Ray")


def test_jobs_are_cut_into_several_tasks_an_actor_and_none_is_lost(jobs: list[Job]) -> None:
    for count, actors, batch_size in ((6, 1, 1), (6, 4, 1), (1, 2, 4), (200, 2, 1)):
        many = (jobs * 40)[:count]
        tasks = ray_engine._cut_tasks(many, actors, batch_size)
        assert [job for task in tasks for job in task] == many
        assert min(map(len, tasks)) >= 1 and max(map(len, tasks)) <= ray_engine.BATCHES_A_TASK * batch_size
    assert len(ray_engine._cut_tasks((jobs * 40)[:200], 2, 1)) >= ray_engine.TASKS_PER_ACTOR * 2


@pytest.fixture
def fake_ray(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What of Ray starts and ends it."""
    ray = SimpleNamespace(started=False, calls=[])
    ray.is_initialized = lambda: ray.started
    ray.init = lambda **options: ray.calls.append(options)
    ray.shutdown = lambda: ray.calls.append("end")
    monkeypatch.setattr(ray_engine, "_import_ray", lambda: ray)
    return ray


def test_a_ray_of_the_run_ends_with_it_and_one_of_the_program_goes_on(fake_ray: Any) -> None:
    with suppress(ZeroDivisionError), ray_engine._connect(None):
        assert fake_ray.calls[0]["address"] == "local" and not fake_ray.calls[0]["include_dashboard"]
        raise ZeroDivisionError
    assert fake_ray.calls[1:] == ["end"]
    fake_ray.started = True
    with ray_engine._connect(None):
        pass
    assert len(fake_ray.calls) == 2


def test_a_ray_that_is_not_there_is_one_line(fake_ray: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with ray_engine._connect(address):
            assert fake_ray.calls[0]["address"] == address
    for place in (address, f"ray://{address}"):
        with pytest.raises(KneeBundleError, match=rf"cannot connect to Ray at {place} \(.*refused.*is it running"):
            ray_engine._connect(place).__enter__()

    def fail(**_: object) -> None:
        raise RuntimeError("no memory\nand more")

    fake_ray.init = fail
    with pytest.raises(KneeBundleError, match=r"^cannot start Ray \(no memory\)$") as raised:
        ray_engine._connect(None).__enter__()
    assert raised.value.field == "engine"
    with pytest.raises(KneeBundleError, match="cannot connect to Ray at auto"):
        ray_engine._connect("auto").__enter__()


def test_the_sign_in_the_folder_is_taken_away_and_a_folder_that_is_gone_is_an_error(tmp_path: Path) -> None:
    with ray_engine._leave_sign(tmp_path) as sign:
        assert sign.is_file() and sign.name.startswith(".")
    assert not list(tmp_path.iterdir())
    with pytest.raises(KneeBundleError, match="cannot write into this folder"):
        ray_engine._leave_sign(tmp_path / "none").__enter__()


def test_nothing_to_do_needs_no_ray(fake_ray: Any, tmp_path: Path) -> None:
    assert list(RayEngine().run([], folder(tmp_path), FakePipeline, RunOptions())) == []
    assert fake_ray.calls == []


def test_an_actor_that_cannot_start_gives_its_reason_in_the_place_of_outcomes(
    plan: MakePlan, jobs: list[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_engine, "_RemoteProgress", lambda handle: handle)
    row = {"jobs": pickle.dumps(jobs[:2])}
    good = ray_engine._Actor(plan(FakePipeline()), Progress())
    assert [outcome.index for outcome in pickle.loads(good(row)["outcomes"])] == [0, 1]

    def fail() -> FakePipeline:
        raise KneeBundleError("no weights")

    bad = ray_engine._Actor(dataclasses.replace(plan(FakePipeline()), pipeline=fail), Progress())
    assert str(pickle.loads(bad(row)["outcomes"])) == "no weights"
