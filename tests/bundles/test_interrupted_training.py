"""A training that is killed at random moments and resumed ends with the weights of one that nobody disturbed.

5 kills, or as many as ``KNEEBUNDLE_KILLS`` says.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("KNEEBUNDLE_KILLS", "5"))
EPOCHS = 8

COMMAND = f"""
import sys
from pathlib import Path
from tests.bundles.bundle_runs import BUNDLES, start
bundle, output = Path(sys.argv[1]), sys.argv[2]
print("ready", flush=True)
small = {{**BUNDLES[bundle.name].small, "max_epochs": {EPOCHS}}}
start(bundle, "training", ["train.json"], output_dir=output, resume=True, **small)
"""


def start(bundle: Path, output: Path) -> subprocess.Popen[str]:
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", COMMAND, str(bundle), str(output)],
        env={**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert any(line == "ready\n" for line in process.stdout)
    return process


def finish(bundle: Path, output: Path) -> float:
    """Train to the end; the seconds from when it was ready."""
    with start(bundle, output) as process:
        began = time.monotonic()
        said = process.communicate()[0]
    assert process.returncode == 0, said[-2000:]
    return time.monotonic() - began


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    weights: dict[str, torch.Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return weights


def test_it_resumes_to_the_same_weights(repository: Path, tmp_path: Path) -> None:
    bundle = repository / "bundles" / "knee_landmark_scn"
    seconds = finish(bundle, tmp_path / "whole")
    moments, killed = random.Random(0), 0
    for _ in range(KILLS):
        process = start(bundle, tmp_path / "out")
        killer = threading.Timer(moments.uniform(0.1, 0.9) * seconds, os.killpg, (process.pid, signal.SIGKILL))
        killer.start()
        process.communicate()
        killer.cancel()
        killed += process.returncode == -signal.SIGKILL
        for file in (tmp_path / "out").glob("*.pt"):
            read_weights(file)  # whole, or not there
    finish(bundle, tmp_path / "out")
    assert killed > 0
    for name in ("model_last.pt", "model.pt"):
        whole, resumed = read_weights(tmp_path / "whole" / name), read_weights(tmp_path / "out" / name)
        assert [key for key in whole if not torch.equal(whole[key], resumed[key])] == [], name
    left = {path.name for path in (tmp_path / "out").iterdir()} - {path.name for path in (tmp_path / "whole").iterdir()}
    assert left == set()
