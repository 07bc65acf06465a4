"""How many cores there are to use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kneebundle.inferers import cores
from kneebundle.inferers.cores import count_cores


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A process bound to eight cores, without a limit; gives the folder of its control group."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(cores, "_CGROUP", tmp_path)
    return tmp_path


def test_those_that_the_process_is_bound_to() -> None:
    assert count_cores() == 8


@pytest.mark.parametrize(("quota", "expected"), [("250000 100000", 3), ("50000 100000", 1), ("max 100000", 8)])
def test_no_more_than_the_container_may_take(eight_cores: Path, quota: str, expected: int) -> None:
    (eight_cores / "cpu.max").write_text(quota + "\n")
    assert count_cores() == expected


@pytest.mark.parametrize(("quota", "expected"), [("200000", 2), ("-1", 8)])
def test_no_more_than_an_older_container_may_take(eight_cores: Path, quota: str, expected: int) -> None:
    (eight_cores / "cpu").mkdir()
    (eight_cores / "cpu" / "cpu.cfs_quota_us").write_text(quota)
    (eight_cores / "cpu" / "cpu.cfs_period_us").write_text("100000")
    assert count_cores() == expected


def test_no_more_than_the_user_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert count_cores() == 1
