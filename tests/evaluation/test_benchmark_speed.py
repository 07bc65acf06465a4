"""The benchmark of speed: processes measured, medians, the table, and a whole run as small as can be."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

from kneebundle.errors import KneeBundleError
from kneebundle.evaluation import speed_jobs
from kneebundle.evaluation.benchmark_speed import (
    Contender,
    SpeedPlan,
    _job,
    _note,
    _Samples,
    _summarize,
    measure_matrix_rate,
    measure_memory,
    run_process,
    write_films,
)
from kneebundle.evaluation.speed_table import Cost, format_speed, list_film_costs, write_speed


def test_a_process_is_measured_with_those_that_it_starts(tmp_path: Path) -> None:
    busy = "import time\nwhile time.process_time() < 0.3: pass\nblock = bytearray(60_000_000); print('done')"
    start = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {busy!r}])"
    cost, output = run_process([sys.executable, "-c", start], tmp_path)
    assert output == "done\n"
    assert cost.wall >= 0.3 and cost.processor >= 0.3
    assert 60 < cost.peak_mb < 150, "its own, not that of this process"


def test_a_process_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(KneeBundleError, match="ended with 1: ValueError: too slow"):
        run_process([sys.executable, "-c", "raise ValueError('too slow')"], tmp_path)


def test_what_a_job_says_of_itself_counts_and_medians_are_taken() -> None:
    samples: dict[tuple[str, str], _Samples] = {}
    for wall in (3.0, 1.0, 8.0):
        said = json.dumps({"wall": wall, "processor": 2 * wall, "operations": 6e9, "first_step": 10 * wall})
        _note(samples, "training, an image", "now", Cost("", "", 99.0, 99.0, 500.0), f"a line before\n{said}\n")
    costs = [_summarize(row, which, found, rate=3e9) for (row, which), found in samples.items()]
    assert costs[0] == Cost("training, an image", "now", 3.0, 6.0, 500.0, 2.0)
    assert (costs[1].row, costs[1].wall) == ("training, until the first step", 30.0)
    assert math.isnan(costs[1].processor)


def test_a_film_costs_what_more_films_cost_more() -> None:
    costs = [Cost("start and 1 film", "now", 5.0, 6.0, 900.0), Cost("start and 11 films", "now", 10.0, 26.0, 950.0)]
    assert list_film_costs(costs, 11)[-1] == Cost("a film", "now", 0.5, 2.0, 950.0)
    assert list_film_costs(costs[:1], 1) == costs[:1]


def test_each_contender_is_compared_with_those_before_it(tmp_path: Path) -> None:
    costs = [Cost("a film", "reference", 8.0), Cost("a film", "before", 2.0), Cost("a film", "now", 0.5)]
    last = format_speed(costs).splitlines()[-1]
    assert last.endswith("| 16.0 than reference, 4.0 than before |")
    write_speed(costs, tmp_path / "speed.json")
    assert json.loads((tmp_path / "speed.json").read_text())[2]["wall"] == 0.5
    assert json.loads((tmp_path / "speed.json").read_text())[2]["peak_mb"] is None


def test_the_matrix_rate_is_that_of_a_processor() -> None:
    assert 1e8 < measure_matrix_rate(2, 128) < 1e15


def test_the_reference_answers_every_film(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One fold suffices here."""
    monkeypatch.setattr(speed_jobs, "REFERENCE_FOLDS", 1)
    films = write_films(tmp_path / "films", 1, 0.8)
    found = speed_jobs.run_reference_films(str(films), str(tmp_path))
    assert found["wall"] > 0
    knees = json.loads((tmp_path / "film_0000.json").read_text())["knees"]
    assert [(knee["side"], len(knee["landmarks"])) for knee in knees] == [("R", 16), ("L", 16)]
    assert (tmp_path / "film_0000.png").read_bytes().startswith(b"\x89PNG")
    assert len((tmp_path / "landmarks.csv").read_text().splitlines()) == 33


def test_memory_is_not_said_of_films_that_were_left_out() -> None:
    with pytest.raises(KneeBundleError, match="0 of 1 crops were predicted"):
        measure_memory(("--help",), (1, 2))


@pytest.mark.slow
def test_a_job_runs_by_its_path(tmp_path: Path) -> None:
    """As with the Python of another checkout."""
    _, output = run_process(_job(Contender("reference"), "reference_network", batch=1, repeats=1), tmp_path)
    found = json.loads(output.splitlines()[-1])
    assert found["wall"] > 0 and found["operations"] > 1e9


@pytest.mark.slow
def test_the_script_prints_every_row(repository: Path, tmp_path: Path) -> None:
    command = [
        sys.executable,
        str(repository / "scripts/benchmark"),
        "--tiny",
        "--scaling",
        "-o",
        str(tmp_path / "speed"),
    ]
    table = subprocess.run([*command, "--films", "2"], check=True, capture_output=True, text=True).stdout
    for row in (
        "networks of stage 2, an image of 1",
        "a film",
        "start and help",
        "start and 2 films",
        "training, an image",
        "training again, until the first step",
        "2 films on 1 cores",
    ):
        assert f"| {row} |" in table
    assert (tmp_path / "speed.md").read_text().strip() == table.strip()
    costs = json.loads((tmp_path / "speed.json").read_text())
    assert {cost["which"] for cost in costs} == {"reference", "now"}
    assert SpeedPlan().films >= 4


@pytest.mark.slow
def test_the_memory_of_few_and_of_many_films(repository: Path) -> None:
    command = [sys.executable, str(repository / "scripts/benchmark"), "--memory", "10"]
    table = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert "| 1 crops of a knee |" in table and "| 10 crops of a knee |" in table
