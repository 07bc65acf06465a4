"""What a worker does after it died, and where it does not begin at all; Ray itself is not needed for that."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kneebundle.errors import KneeBundleError
from kneebundle.inference.answering import Job, OutputFolder
from kneebundle.inference.books import Books
from kneebundle.inference.ledger import Ledger, Outcome
from kneebundle.inference.manifest import ImageRequest
from kneebundle.inference.ray_engine import RayEngine, Share, share_out
from kneebundle.inference.ray_worker import DEATHS, FilmWorker, WorkerPlan
from tests.inference.fakes import DeadlyPipeline, FakePipeline, write_picture

GIB = 2**30


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
    return Books(folder(tmp_path)).jobs([ImageRequest(path, "R", 0.5) for path in pictures])


def folder(tmp_path: Path) -> OutputFolder:
    return OutputFolder(tmp_path / "out", ["json"])


@pytest.fixture
def plan(tmp_path: Path) -> Callable[[FakePipeline], WorkerPlan]:
    (tmp_path / "out").mkdir(exist_ok=True)
    (tmp_path / "out/.sign").touch()
    return lambda fake: WorkerPlan(folder(tmp_path), lambda: fake, 2, 1, 1, tmp_path / "out/.sign")


def answer_whatever_dies(plan: WorkerPlan, ledger: Ledger, jobs: list[Job]) -> tuple[list[Outcome], int]:
    """The outcomes, and how many workers died before."""
    for deaths in range(10):
        try:
            return FilmWorker(plan, ledger).answer(jobs), deaths
        except Death:
            pass
    raise AssertionError("the worker dies for ever")


def test_films_are_answered_in_batches_and_told_to_the_ledger(jobs: list[Job], plan) -> None:  # type: ignore[no-untyped-def]
    fake, ledger = FakePipeline(), Ledger()
    outcomes = FilmWorker(plan(fake), ledger).answer(jobs)
    assert fake.batches == [2, 2, 2]
    assert [o.index for o in outcomes if o.refused] == [3]
    assert ledger.known(range(9)) == {o.index: o for o in outcomes}


def test_after_one_death_all_are_answered_and_what_was_is_not_done_again(
    tmp_path: Path,
    jobs: list[Job],
    plan,  # type: ignore[no-untyped-def]
) -> None:
    fake = Dying(77, once=tmp_path / "died")
    outcomes, deaths = answer_whatever_dies(plan(fake), Ledger(), jobs)
    assert deaths == 1
    assert outcomes == FilmWorker(plan(FakePipeline()), Ledger()).answer(jobs)
    assert fake.batches[-2:] == [1, 1]
    assert all(fake.seen.count(str(job.file)) == 1 for job in jobs[:2])


def test_a_film_that_always_kills_is_refused_with_its_name_and_the_others_are_answered(
    tmp_path: Path,
    jobs: list[Job],
    plan,  # type: ignore[no-untyped-def]
) -> None:
    FilmWorker(plan(FakePipeline()), Ledger()).answer(jobs)  # an earlier run, which had an answer to it
    assert (tmp_path / "out/k4.json").exists()
    fake = Dying(77)
    outcomes, deaths = answer_whatever_dies(plan(fake), Ledger(), jobs)
    assert deaths == 1 + DEATHS
    assert [o.index for o in outcomes] == [job.index for job in jobs]
    assert [o.index for o in outcomes if o.refused] == [3, 4]
    assert f"died {DEATHS} times over this file alone" in str(outcomes[4].refused)
    assert not (tmp_path / "out/k4.json").exists() and (tmp_path / "out/k5.json").exists()
    assert [fake.seen.count(str(job.file)) for job in jobs] == [1, 1, 2, 2, 0, 1]


def test_a_worker_that_sees_another_folder_does_not_begin(tmp_path: Path, plan) -> None:  # type: ignore[no-untyped-def]
    elsewhere = dataclasses.replace(plan(FakePipeline()), sign=tmp_path / "out/.another")
    with pytest.raises(KneeBundleError, match=r"out: a worker on .* a folder that all machines share"):
        FilmWorker(elsewhere, Ledger())


def test_a_worker_of_another_version_does_not_begin(plan) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(KneeBundleError, match=r"has kneebundle .* and this machine 0\.0\.1; install the same"):
        FilmWorker(dataclasses.replace(plan(FakePipeline()), version="0.0.1"), Ledger())


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
    assert share_out(nodes, actors, device) == share


@pytest.mark.parametrize(
    ("nodes", "actors", "device", "says"),
    [
        ([{"CPU": 8}], None, "cuda", "Ray has no GPU; use --device cpu"),
        ([{"CPU": 2}, {"CPU": 1}], 4, "cpu", "3 cores for 4 actors; give --actors 3 or fewer"),
    ],
)
def test_what_the_cluster_has_not_is_refused(
    nodes: list[dict[str, float]], actors: int | None, device: str, says: str
) -> None:
    with pytest.raises(KneeBundleError, match=says):
        share_out(nodes, actors, device)


def test_without_ray_one_line_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(KneeBundleError, match=r'^--engine ray needs Ray: pip install "kneebundle\[ray\]"$'):
        RayEngine()
