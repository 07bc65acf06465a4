"""Time and memory of networks, films, start and training: this package, the paper's plain pipeline, an older checkout.

Everything that is measured runs in a process of its own, the contenders one after the other in each round, so that a
machine that gets busier or hotter does so for all of them; what is reported are medians over the rounds.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from kneebundle.errors import KneeBundleError
from kneebundle.evaluation import speed_jobs
from kneebundle.evaluation.speed_table import Cost
from kneebundle.inferers.cores import count_cores

__all__ = [
    "Contender",
    "SpeedPlan",
    "write_films",
    "benchmark_speed",
    "measure_matrix_rate",
    "measure_memory",
    "measure_scaling",
    "run_process",
]


# a small process between: to the system, a process is from its start as large as the one that it was forked from
_LAUNCHER = """
import json, os, subprocess, sys, time
start = time.perf_counter()
process = subprocess.Popen(sys.argv[2:])
_, status, usage = os.wait4(process.pid, 0)
found = [time.perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss]
found.append(os.waitstatus_to_exitcode(status))
json.dump(found, open(sys.argv[1], "w"))
"""


_DIFFERENT_KNEES, _DIFFERENT_FILMS = 20, 8


@dataclass(frozen=True)
class Contender:
    """What is measured.

    Attributes:
        name: ``"reference"``, ``"before"`` or ``"now"``.
        python: the interpreter of the checkout; None for the reference, which runs with this one.
    """

    name: str
    python: Path | None = None

    @property
    def executable(self) -> str:
        """The interpreter."""
        return str(self.python or sys.executable)


@dataclass(frozen=True)
class SpeedPlan:
    """What is measured, and how often.

    Attributes:
        films: films of the longer run.
        reference_films: films of the reference, which is slow; the cost is that of one.
        rounds: times that everything is measured.
        batches: images that go through a network together.
        repeats: forwards of a network in a round.
        training_images, training_epochs, training_batch: of the short trainings.
        spacing_mm: of the drawn films.
        predict: arguments of the command line that predict ``{films}`` into ``{output}``.
        help: those that print a help.
    """

    films: int = 8
    reference_films: int = 1
    rounds: int = 3
    batches: tuple[int, ...] = (1, 4, 16)
    repeats: int = 5
    training_images: int = 16
    training_epochs: int = 3
    training_batch: int = 8
    spacing_mm: float = 0.2
    predict: tuple[str, ...] = ("predict", "{films}", "{output}")
    help: tuple[str, ...] = ("help",)


@dataclass
class _Samples:
    """What the rounds found for a row and a contender."""

    wall: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    peak_mb: list[float] = field(default_factory=list)
    operations: float = float("nan")


def run_process(command: Sequence[str], folder: Path, threads: int | None = None) -> tuple[Cost, str]:
    """Run a command and measure it with all processes that it starts and waits for.

    Args:
        command: the program and its arguments.
        folder: where it runs.
        threads: that it may use at once; None: as many as it likes.

    Returns:
        Its cost, and what it printed.

    Raises:
        KneeBundleError: if it fails.
    """
    environment = dict(os.environ)
    if threads is not None:
        environment["OMP_NUM_THREADS"] = str(threads)
    said, found = folder / "stderr.txt", folder / "usage.json"
    with said.open("w") as errors:
        launcher = [sys.executable, "-S", "-c", _LAUNCHER, str(found), *command]
        done = subprocess.run(launcher, stdout=subprocess.PIPE, stderr=errors, text=True, cwd=folder, env=environment)
    wall, processor, peak, code = json.loads(found.read_text())
    if code != 0:
        last = (said.read_text().strip().splitlines() or ["it said nothing"])[-1]
        raise KneeBundleError(f"{' '.join(command[:6])} ended with {code}: {last}")
    return Cost("", "", wall, processor, peak / (1e6 if sys.platform == "darwin" else 1e3)), done.stdout


def measure_matrix_rate(rounds: int = 5, size: int = 1024) -> float:
    """Measure how many additions and multiplications of float32 the cores do in a second, in products of matrices."""
    import torch

    a, b = torch.rand(size, size), torch.rand(size, size)
    torch.mm(a, b)
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        torch.mm(a, b)
        seconds.append(time.perf_counter() - start)
    return 2.0 * size**3 / min(seconds)


def write_films(folder: Path, count: int, spacing_mm: float) -> Path:
    """Draw bilateral films into a folder, as DICOM files of 16 bits; of many, some under several names.

    Returns:
        The folder.
    """
    from kneebundle.io.dicom_writing import write_dicom
    from kneebundle.phantoms.pa.bilateral import BilateralFilms, KneeImage
    from kneebundle.phantoms.pa.knee import PhantomKnees

    knees = PhantomKnees(min(2 * count, 8), seed=5, size_mm=110.0)
    drawn = [(*knees[k], knees.side(k)) for k in range(len(knees))]
    images = [KneeImage(film.pixels, film.spacing_mm[0], points.points, side) for film, points, _, side in drawn]
    different = min(count, _DIFFERENT_FILMS)
    films = BilateralFilms(images, different, 5, spacing_mm, implants=0.0)
    folder.mkdir(parents=True)
    for number in range(different):
        film, _ = films[number]
        pixels = np.round(film.pixels).astype(np.uint16)
        write_dicom(folder / f"film_{number:04d}.dcm", pixels, film.spacing_mm, view="pa-bilateral")
    for number in range(different, count):
        (folder / f"film_{number:04d}.dcm").hardlink_to(folder / f"film_{number % different:04d}.dcm")
    return folder


def benchmark_speed(
    plan: SpeedPlan,
    before: Path | None = None,
    report: Callable[[str], None] = lambda line: None,
    only: str = "",
) -> list[Cost]:
    """Measure networks, start, films and training.

    Args:
        plan: what, and how often.
        before: interpreter of an older checkout to compare with.
        report: called with each thing that is begun.
        only: measure the rows alone that have this text in their name.

    Returns:
        A cost a row and contender. Costs of networks and trainings are those of one image, ``films`` of one film.

    Raises:
        KneeBundleError: if a process fails.
    """
    checkouts = [Contender("now", Path(sys.executable))]
    if before is not None:
        checkouts.insert(0, Contender("before", before.absolute()))
    samples: dict[tuple[str, str], _Samples] = {}
    with tempfile.TemporaryDirectory(prefix="speed-") as name:
        place = Path(name)
        films = write_films(place / "films", max(plan.films, plan.reference_films), plan.spacing_mm)
        one = _choose(films, place / "one", 1)
        few = _choose(films, place / "few", plan.reference_films)
        many = _choose(films, place / "many", plan.films)
        for number in range(plan.rounds):
            work = place / f"round{number}"
            work.mkdir()
            tasks = [*_list_networks(plan, checkouts), *_list_films(plan, checkouts, one, few, many, work)]
            tasks += _list_trainings(plan, checkouts, work)
            for row, contender, command in (task for task in tasks if only in task[0]):
                report(f"round {number + 1} of {plan.rounds}: {row}, {contender.name}")
                _note(samples, row, contender.name, *run_process(command, place))
    rate = measure_matrix_rate()
    return [_summarize(row, which, found, rate) for (row, which), found in samples.items()]


Task = tuple[str, Contender, list[str]]


def _job(contender: Contender, name: str, **options: Any) -> list[str]:
    """The command of a job; its file is run by its path, so that an older checkout needs none."""
    start = "import runpy, sys; sys.argv.pop(0); runpy.run_path(sys.argv[0], run_name='__main__')"
    path = str(Path(speed_jobs.__file__).absolute())
    return [contender.executable, "-W", "ignore", "-c", start, path, name, json.dumps(options)]


def _command(contender: Contender, arguments: Sequence[str], **places: Path) -> list[str]:
    """A call of the command line."""
    return [contender.executable, "-m", "kneebundle", *(argument.format(**places) for argument in arguments)]


def _list_networks(plan: SpeedPlan, checkouts: Sequence[Contender]) -> list[Task]:
    tasks: list[Task] = []
    for batch in plan.batches:
        row, options = f"networks of stage 2, an image of {batch}", {"batch": batch, "repeats": plan.repeats}
        reference = Contender("reference")
        tasks.append((row, reference, _job(reference, "reference_network", **options)))
        tasks += [(row, checkout, _job(checkout, "bundle_network", **options)) for checkout in checkouts]
    return tasks


def _list_films(
    plan: SpeedPlan, checkouts: Sequence[Contender], one: Path, few: Path, many: Path, work: Path
) -> list[Task]:
    reference, output = Contender("reference"), work / "reference"
    output.mkdir()
    films = {"folder": str(few), "output": str(output)}
    tasks: list[Task] = [("a film", reference, _job(reference, "reference_films", **films))]
    for checkout in checkouts:
        tasks.append(("start and help", checkout, _command(checkout, plan.help)))
        tasks.append(
            (
                "start and 1 film",
                checkout,
                _command(checkout, plan.predict, films=one, output=work / f"{checkout.name}1"),
            )
        )
        row = f"start and {plan.films} films"
        output = work / f"{checkout.name}{plan.films}"
        tasks.append((row, checkout, _command(checkout, plan.predict, films=many, output=output)))
    return tasks


def _list_trainings(plan: SpeedPlan, checkouts: Sequence[Contender], work: Path) -> list[Task]:
    options = {"images": plan.training_images, "epochs": plan.training_epochs, "batch": plan.training_batch}
    reference = Contender("reference")
    folder = str(work / "plain")
    tasks: list[Task] = [("training, an image", reference, _job(reference, "plain_training", output=folder, **options))]
    for checkout in checkouts:
        job = _job(checkout, "training", output=str(work / f"training-{checkout.name}"), **options)
        tasks += [("training, an image", checkout, job), ("training again, an image", checkout, job)]
    return tasks


def _choose(films: Path, folder: Path, count: int) -> Path:
    """A folder with the first films."""
    folder.mkdir()
    for path in sorted(films.iterdir())[:count]:
        (folder / path.name).symlink_to(path)
    return folder


def _note(samples: dict[tuple[str, str], _Samples], row: str, which: str, cost: Cost, output: str) -> None:
    """Note what a process cost, and what it measured of itself where it did."""
    found = samples.setdefault((row, which), _Samples())
    lines = output.strip().splitlines()
    said = json.loads(lines[-1]) if lines and lines[-1].startswith("{") else {}
    found.wall.append(said.get("wall", cost.wall))
    found.processor.append(said.get("processor", cost.processor))
    found.peak_mb.append(cost.peak_mb)
    found.operations = said.get("operations", float("nan"))
    if "first_step" in said:
        begin = row.split(",")[0] + ", until the first step"
        first = samples.setdefault((begin, which), _Samples())
        first.wall.append(said["first_step"])


def _summarize(row: str, which: str, found: _Samples, rate: float) -> Cost:
    def middle(values: list[float]) -> float:
        return median(values) if values else float("nan")

    wall, processor, peak = middle(found.wall), middle(found.processor), middle(found.peak_mb)
    return Cost(row, which, wall, processor, peak, found.operations / rate)


def measure_scaling(
    predict: Sequence[str],
    films: Sequence[int] = (1, 4, 16),
    spacings_mm: Sequence[float] = (0.4, 0.2, 0.14),
    report: Callable[[str], None] = lambda line: None,
) -> list[Cost]:
    """Measure what predict costs by the number of films, the size of their pixels, and the cores.

    Args:
        predict: see :class:`SpeedPlan`.
        films: numbers of films; time should grow along a line, and memory not at all.
        spacings_mm: pixel sizes; a film has so many more pixels.
        report: called with each thing that is begun.

    Raises:
        KneeBundleError: if a process fails.
    """
    now = Contender("now", Path(sys.executable))
    cores = sorted({1, count_cores()})
    costs = []
    with tempfile.TemporaryDirectory(prefix="speed-") as name:
        place = Path(name)
        every = write_films(place / "films", max(films), spacings_mm[0])
        cases: list[tuple[str, Path, int | None]] = [
            (f"{n} films", _choose(every, place / f"n{n}", n), None) for n in films
        ]
        cases += [(f"a film of {s:g} mm", write_films(place / f"s{s:g}", 1, s), None) for s in spacings_mm]
        cases += [(f"{min(films[-1], 4)} films on {n} cores", _choose(every, place / f"c{n}", 4), n) for n in cores]
        for number, (row, folder, threads) in enumerate(cases):
            report(row)
            cost, _ = run_process(_command(now, predict, films=folder, output=place / f"out{number}"), place, threads)
            costs.append(replace(cost, row=row, which="now"))
    return costs


def measure_memory(
    predict: Sequence[str], films: Sequence[int] = (200, 2000), report: Callable[[str], None] = lambda line: None
) -> list[Cost]:
    """Measure the memory of predictions by the number of films, small drawn crops of one knee; it should not grow.

    Args:
        predict: see :class:`SpeedPlan`.
        films: numbers of films, a process each.
        report: called with each thing that is begun.

    Raises:
        KneeBundleError: if a process fails.
    """
    from kneebundle.io.dicom_writing import write_dicom
    from kneebundle.phantoms.pa.knee import PhantomKnees

    now = Contender("now", Path(sys.executable))
    costs = []
    with tempfile.TemporaryDirectory(prefix="memory-") as name:
        place = Path(name)
        drawn = place / "drawn"
        drawn.mkdir()
        for number, (film, *_) in enumerate(PhantomKnees(min(_DIFFERENT_KNEES, max(films)), seed=7, spacing_mm=0.5)):
            write_dicom(drawn / f"{number}.dcm", film.pixels.astype(np.uint16), film.spacing_mm, view="pa-single")
        knees = sorted(drawn.iterdir())
        for count in films:
            row, folder = f"{count} crops of a knee", place / f"n{count}"
            report(row)
            folder.mkdir()
            for number in range(count):
                (folder / f"knee_{number:05d}.dcm").hardlink_to(knees[number % len(knees)])  # a link is read once
            output = place / f"out{count}"
            cost, _ = run_process(_command(now, predict, films=folder, output=output), place)
            done = len(list(output.glob("knee_*.json")))
            if done != count:
                raise KneeBundleError(f"{done} of {count} crops were predicted", output)
            costs.append(replace(cost, row=row, which="now"))
    return costs
