"""The benchmark of speed: processes measured, medians, the table, and a whole run as small as can be."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from kneebundle.errors import KneeBundleError
from kneebundle.evaluation import benchmark_speed, speed_jobs
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


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that would be run; each costs a second more than the one before. Films are not drawn."""
    ran: list[list[str]] = []

    def run(command: list[str], folder: Path, threads: int | None = None) -> tuple[Cost, str]:
        ran.append([*command, *([] if threads is None else [f"threads={threads}"])])
        if "predict" in command:
            assert list(Path(command[-2]).iterdir()), "there are films"
            output = Path(command[-1])
            output.mkdir()
            for film in Path(command[-2]).iterdir():
                (output / f"{film.stem}.json").touch()
        return Cost("", "", float(len(ran)), 2.0 * len(ran), 100.0), ""

    def write(folder: Path, count: int, spacing_mm: float) -> Path:
        folder.mkdir(parents=True)
        for number in range(count):
            (folder / f"film_{number}.dcm").write_text(f"{spacing_mm}")
        return folder

    monkeypatch.setattr(benchmark_speed, "run_process", run)
    monkeypatch.setattr(benchmark_speed, "write_films", write)
    monkeypatch.setattr(benchmark_speed, "measure_matrix_rate", lambda: 1e9)
    return ran


def test_every_contender_is_measured_in_every_round(processes: list[list[str]], tmp_path: Path) -> None:
    said: list[str] = []
    plan = SpeedPlan(films=3, rounds=2, batches=(1,), repeats=1)
    costs = benchmark_speed.benchmark_speed(plan, tmp_path / "old/python", said.append)
    assert len(processes) == len(said) == 2 * 15
    assert said[0] == "round 1 of 2: networks of stage 2, an image of 1, reference"
    rows = {(cost.row, cost.which) for cost in costs}
    both = {"start and help", "start and 1 film", "start and 3 films", "training again, an image"}
    assert rows == {(row, which) for row in both for which in ("before", "now")} | {
        (row, which)
        for row in ("networks of stage 2, an image of 1", "a film", "training, an image")
        for which in ("reference", "before", "now")
    } - {("a film", "before"), ("a film", "now")}
    old = [command for command in processes if command[0] == str(tmp_path / "old/python")]
    assert len(old) == 2 * 6 and all("-m" in command or "-c" in command for command in old)


def test_only_the_rows_that_are_asked_for_are_measured(processes: list[list[str]]) -> None:
    costs = benchmark_speed.benchmark_speed(SpeedPlan(rounds=1), only="help")
    assert [(cost.row, cost.which, cost.wall) for cost in costs] == [("start and help", "now", 1.0)]


def test_scaling_is_measured_by_films_pixels_and_cores(
    processes: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(benchmark_speed, "count_cores", lambda: 2)
    said: list[str] = []
    costs = benchmark_speed.measure_scaling(("predict", "{films}", "{output}"), (1, 5), (0.4, 0.2), said.append)
    rows = ["1 films", "5 films", "a film of 0.4 mm", "a film of 0.2 mm", "4 films on 1 cores", "4 films on 2 cores"]
    assert [cost.row for cost in costs] == said == rows
    assert [command[-1] for command in processes[-2:]] == ["threads=1", "threads=2"]


def test_the_memory_of_many_crops_is_measured_over_links_of_a_few(processes: list[list[str]]) -> None:
    said: list[str] = []
    costs = measure_memory(("predict", "{films}", "{output}"), (1, 3), said.append)
    assert [cost.row for cost in costs] == said == ["1 crops of a knee", "3 crops of a knee"]
    assert {cost.peak_mb for cost in costs} == {100.0}


def test_a_job_takes_the_median_of_runs_after_one_that_is_not_counted() -> None:
    ran: list[int] = []
    found = speed_jobs._time(lambda: ran.append(0), images=4, repeats=3)
    assert len(ran) == 4 and set(found) == {"wall", "processor"} and 0 <= found["wall"] < 1


def test_operations_are_those_of_one_image() -> None:
    network = torch.nn.Conv2d(1, 2, 3, bias=False)
    for images in (1, 3):
        found = speed_jobs._count_operations(network, torch.zeros(images, 1, 5, 5))
        assert found == 2 * 9 * 2 * 9  # additions and multiplications, 9 places, 2 channels, 9 weights


def test_a_bundle_is_that_of_the_checkout() -> None:
    assert (speed_jobs._find_bundle("knee_quality_check") / "configs/inference.json").is_file()
    with pytest.raises(StopIteration):
        speed_jobs._find_bundle("none")
