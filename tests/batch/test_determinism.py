"""The same bytes whatever the workers, batches and order, with the shipped networks; threads move points by < 0.01 px.

``pytest -s -m slow tests/batch/test_determinism.py`` prints by how much.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.slow

MOST_PX = 0.01
SAMPLES = Path(__file__).parents[2] / "samples"
FILMS = [SAMPLES / "films/film_0.dcm", *sorted((SAMPLES / "knees").glob("*.dcm"))[:3]]
FILMS += sorted((SAMPLES / "lateral").glob("*.dcm"))[:1]


def predict(output: Path, *options: str, threads: int = 1, films: list[Path] = FILMS) -> Path:
    command = [sys.executable, "-m", "kneebundle", "predict", *map(str, films), "-o", str(output)]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "PYTHONPATH": str(SAMPLES.parent)}
    done = subprocess.run(
        [*command, "--formats", "json,csv", *options], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return output


def read_bytes(folder: Path) -> dict[str, bytes]:
    """The JSON files as they are, the rows of tables without their order."""
    found = {path.name: path.read_bytes() for path in folder.glob("*.*") if path.is_file()}
    return {n: b"\n".join(sorted(c.splitlines())) if n.endswith(".csv") else c for n, c in found.items()}


def read_points(folder: Path) -> dict[str, np.ndarray]:
    points = {}
    for path in folder.glob("*.json"):
        document = json.loads(path.read_text())
        for part in [*document.get("knees", ()), *([document["planning"]] if "planning" in document else [])]:
            places = [[p["x_px"], p["y_px"]] for p in part["landmarks"]]
            points[f"{path.stem} {part['side']}"] = np.array(places).reshape(-1, 2)
    return points


def test_the_bytes_do_not_depend_on_workers_batches_order_or_repetition(tmp_path: Path) -> None:
    first = read_bytes(predict(tmp_path / "first", "--workers", "1", "--batch-size", "1"))
    assert len(first) == len(FILMS) + 4
    again = predict(tmp_path / "again", "--workers", "1", "--batch-size", "1")
    many = predict(tmp_path / "many", "--workers", "4", "--batch-size", "3")
    turned = predict(tmp_path / "turned", "--workers", "2", "--batch-size", "8", films=FILMS[::-1])
    for other in (again, many, turned):
        found = read_bytes(other)
        assert [name for name in first if found[name] != first[name]] == [], other.name


@pytest.mark.parametrize("runtime", ["torch", "onnx"])
def test_threads_move_points_by_less_than_a_hundredth_of_a_pixel(tmp_path: Path, runtime: str) -> None:
    one = read_points(predict(tmp_path / "1", "--runtime", runtime))
    assert sum(len(points) for points in one.values()) > 16 * 4
    for threads in (2, 4):
        other = read_points(predict(tmp_path / str(threads), "--runtime", runtime, threads=threads))
        assert other.keys() == one.keys()
        moved = max(float(np.abs(points - one[name]).max()) for name, points in other.items() if len(points))
        print(f"{runtime}, {threads} threads: at most {moved:.4f} px")
        assert moved < MOST_PX
