"""Killed at any moment: the next run completes, and the bytes are those of a run that nobody disturbed.

``KNEEBUNDLE_KILLS=50 pytest tests/batch/test_interruptions.py`` kills each command 50 times instead of 10.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.batch.fakes import write_picture
from tests.datasets.test_oai import film_pixels, write_film
from tests.forks import ForkServer

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("KNEEBUNDLE_KILLS", "10"))

PRELUDE = """
import kneebundle.datasets.oai, kneebundle.phantoms.files, kneebundle.reports.html.index, kneebundle.reports.html.study
from kneebundle.cli.entry import main as run_main
from kneebundle.pipelines.by_view import PipelinesByView
from kneebundle.registration.model import RegistrationModel
from tests.batch.fakes import FakePipeline
from tests.registration.crops import register_by_theta

class Crops:
    def predict_batch(self, radiographs):
        return [register_by_theta(r) for r in radiographs]

PipelinesByView.from_bundles = lambda _: FakePipeline()
RegistrationModel.from_bundles = lambda *_: Crops()

def run(*call):
    run_main(call)
"""


def make_pictures(folder: Path) -> list[str]:
    for i in range(12):
        write_picture(folder / f"in/k{i}.png", 5 if i == 4 else 100 + i)
    return ["in", "--side", "R"]


def make_predict(folder: Path) -> list[str]:
    return ["predict", *make_pictures(folder), "--spacing", "0.5", "--formats", "json,csv,png,html"]


def make_register(folder: Path) -> list[str]:
    for i in range(6):
        (folder / "in").mkdir(exist_ok=True)
        pixels = np.random.default_rng(i).integers(0, 255, (60, 60))
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"in/k{i}.png")
    return ["register", "in", "--side", "R"]


def make_synthesize(folder: Path) -> list[str]:
    return ["synthesize", "--count", "12", "--size", "90", "--spacing", "1"]


def make_oai(folder: Path) -> list[str]:
    points = np.array([[40 + 25 * i, 300 + 5 * (i % 3)] for i in range(9)] + [[60 + 40 * i, 200] for i in range(7)])
    points[4] = [233, 233]
    lines, contents = ["subject_id,side,kl,tibia,femur,bbox,center"], ["ParticipantID,Folder,SeriesDescription"]
    for subject in range(6):
        write_film(folder / f"oai/{subject}/001", film_pixels())
        contents.append(f"{subject},{subject},Bilateral PA Fixed Flexion Knee")
        for side, (x, y) in (("R", (80, 250)), ("L", (650, 250))):
            cells = [",".join(map(str, part.ravel())) for part in (points[:9], points[9:])]
            cells += [f"{x},{y},{x + 466},{y + 466}", f"{x + 233},{y + 233}"]
            lines.append(f"{subject},{side},1," + ",".join(f'"{cell}"' for cell in cells))
    (folder / "oai/contents.csv").write_text("\n".join(contents) + "\n")
    (folder / "ann.csv").write_text("\n".join(lines) + "\n")
    return ["prepare-oai", "--oai-dir", "oai", "--annotations", "ann.csv"]


def finish(server: ForkServer, call: list[str], folder: Path, output: str) -> float:
    """Run a command to its end; the seconds that it took."""
    began = time.monotonic()
    server.start(folder, *call, "-o", output)
    code, said = server.wait(), server.read_log()
    assert code in (0, 1) and "Traceback" not in said, said
    return time.monotonic() - began


def contents(folder: Path) -> dict[str, bytes]:
    """All files but the folder's own notes; the time that a registration took is left out."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not name.startswith(".kneebundle/"):
            found[name] = path.read_bytes()
            if b'"kneebundle/registration/' in found[name][:100]:
                found[name] = json.dumps({**json.loads(found[name]), "seconds": 0}).encode()
    return found


@pytest.mark.parametrize("make", [make_predict, make_register, make_synthesize, make_oai])
def test_the_run_after_a_kill_completes_with_the_same_bytes(tmp_path: Path, make: Callable[[Path], list[str]]) -> None:
    call = make(tmp_path)
    moments = random.Random(0)
    killed = 0
    with ForkServer(PRELUDE, tmp_path / "log") as server:
        seconds = finish(server, call, tmp_path, "whole")
        expected = contents(tmp_path / "whole")
        for _ in range(KILLS):
            run = server.start(tmp_path, *call, "-o", "out")
            time.sleep(moments.uniform(0, seconds))
            server.kill(run)
            killed += server.wait() == -signal.SIGKILL
            if moments.random() < 0.5:  # or another kill in the folder that the last one left
                seconds = min(seconds, finish(server, call, tmp_path, "out"))  # the machine was busier before
                assert contents(tmp_path / "out") == expected
                shutil.rmtree(tmp_path / "out")
        finish(server, call, tmp_path, "out")
    assert contents(tmp_path / "out") == expected
    assert killed >= KILLS / 3, "most kills came before the end"
