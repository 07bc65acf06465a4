"""A real Ray with two workers: what it leaves behind is what one process leaves behind, whatever dies on the way."""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from kneebundle.batch.engine import Job, Outcome, RunOptions
from kneebundle.batch.output_folder import OutputFolder
from kneebundle.batch.ray_engine import RayEngine
from kneebundle.batch.request import ImageRequest
from kneebundle.batch.run import RunSummary, predict_images
from kneebundle.errors import KneeBundleError
from tests.batch.fakes import DeadlyPipeline, FakePipeline, write_picture

pytestmark = pytest.mark.slow

pytest.importorskip("ray.data", reason='needs Ray: pip install "kneebundle[ray]"')


@pytest.fixture(scope="module")
def two_workers() -> Iterator[None]:
    """A Ray of this machine with two cores."""
    import ray

    RayEngine()  # sets what keeps Ray quiet
    ray.init(address="local", num_cpus=2, include_dashboard=False, object_store_memory=80_000_000, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.fixture
def requests(tmp_path: Path) -> list[ImageRequest]:
    """Good, dark, rejected and broken images, one that makes the network fail, and two of the same stem."""
    greys = [100, 5, 120, 40, 255, 20, 77, 130, 140, 150]
    paths = [write_picture(tmp_path / "in" / f"k{i}.png", grey) for i, grey in enumerate(greys)]
    broken = tmp_path / "in/broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\n not really")
    paths += [broken, tmp_path / "in/absent.dcm", write_picture(tmp_path / "in/deeper/k0.png", 90)]
    return [ImageRequest(path, "L", 0.5) for path in paths]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def table(path: Path) -> list[str | float]:
    """The cells of a CSV file, numbers as numbers."""
    with path.open(newline="") as file:
        return [float(cell) if cell.replace(".", "").isdigit() else cell for row in csv.reader(file) for cell in row]


def with_ray(
    requests: Sequence[ImageRequest], output: Path, pipeline: Any = FakePipeline, **options: Any
) -> RunSummary:
    return predict_images(requests, output, pipeline, RunOptions(**options), RayEngine(actors=2))


def test_the_same_files_and_summary_as_one_process_and_nothing_is_done_twice(
    tmp_path: Path, requests: list[ImageRequest], two_workers: None
) -> None:
    summary = predict_images(requests, tmp_path / "local", FakePipeline)
    assert (summary.done, len(summary.errors)) == (9, 4)
    assert with_ray(requests, tmp_path / "ray") == summary
    assert contents(tmp_path / "ray") == contents(tmp_path / "local")
    again = with_ray(requests, tmp_path / "ray")
    assert (again.done, again.skipped, again.errors) == (0, 9, summary.errors)
    assert contents(tmp_path / "ray") == contents(tmp_path / "local")


def test_a_worker_that_dies_loses_nothing(tmp_path: Path, requests: list[ImageRequest], two_workers: None) -> None:
    died = tmp_path / "died"
    whole = predict_images(requests, tmp_path / "local", FakePipeline)
    assert with_ray(requests, tmp_path / "ray", partial(DeadlyPipeline, 77, died)) == whole
    assert died.exists()
    assert contents(tmp_path / "ray") == contents(tmp_path / "local")


def test_an_image_that_always_kills_is_reported_and_the_others_are_predicted(
    tmp_path: Path, requests: list[ImageRequest], two_workers: None
) -> None:
    whole = predict_images(requests, tmp_path / "local", FakePipeline)
    summary = with_ray(requests, tmp_path / "ray", partial(DeadlyPipeline, 77))
    assert summary.done == whole.done - 1
    [(path, reason)] = set(summary.errors) - set(whole.errors)
    assert path == str(requests[6].path) and "died 2 times over this file alone" in reason
    assert f'{path},"the worker process died' in (tmp_path / "ray/errors.csv").read_text()
    later = with_ray(requests, tmp_path / "ray")
    assert (later.done, later.skipped) == (1, whole.done - 1)
    assert contents(tmp_path / "ray") == contents(tmp_path / "local")


def test_stopped_in_the_middle_and_run_again_is_the_same_as_uninterrupted(
    tmp_path: Path, requests: list[ImageRequest], two_workers: None
) -> None:
    predict_images(requests, tmp_path / "local", FakePipeline)

    class Stopping(RayEngine):
        def run(
            self, jobs: Sequence[Job], folder: OutputFolder, pipeline: Any, options: RunOptions
        ) -> Iterator[Outcome]:
            for number, outcome in enumerate(super().run(jobs, folder, pipeline, options)):
                if number == 4:
                    raise KeyboardInterrupt
                yield outcome

    with pytest.raises(KeyboardInterrupt):
        predict_images(requests, tmp_path / "ray", FakePipeline, engine=Stopping(actors=2))
    assert (tmp_path / "ray/landmarks.csv").exists(), "of what is done"
    assert with_ray(requests, tmp_path / "ray").skipped > 0
    assert contents(tmp_path / "ray") == contents(tmp_path / "local")


def without_networks() -> FakePipeline:
    raise KneeBundleError("no weights; train it")


def test_a_pipeline_that_cannot_be_made_stops_the_run_with_its_own_line(
    tmp_path: Path, requests: list[ImageRequest], two_workers: None
) -> None:
    with pytest.raises(KneeBundleError, match=r"^no weights; train it$"):
        with_ray(requests, tmp_path / "ray", without_networks)
    assert [path.name for path in (tmp_path / "ray").iterdir() if path.suffix in (".json", ".png")] == []


def predict(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "kneebundle", "predict", *map(str, arguments)]
    return subprocess.run(command, text=True, capture_output=True)


def test_the_shipped_networks_answer_alike_from_the_command_line(repository: Path, tmp_path: Path) -> None:
    samples = tmp_path / "in"
    shutil.copytree(repository / "samples/films", samples / "films")
    shutil.copytree(repository / "samples/lateral", samples / "lateral")
    (samples / "broken.dcm").write_bytes(b"nothing")
    local = predict(samples, "-o", tmp_path / "local")
    ray = predict(samples, "-o", tmp_path / "ray", "--engine", "ray", "--actors", "2")
    assert ray.returncode == local.returncode == 1
    assert ray.stdout == local.stdout.replace(str(tmp_path / "local"), str(tmp_path / "ray"))
    assert f"refused {samples / 'broken.dcm'}: " in ray.stderr
    assert contents(tmp_path / "ray").keys() == contents(tmp_path / "local").keys()
    for name in ("landmarks.csv", "measurements.csv", "errors.csv"):
        # the networks' last digits depend on how many threads a process has
        assert table(tmp_path / "ray" / name) == pytest.approx(table(tmp_path / "local" / name), abs=1e-2), name
