"""A training that is killed at random moments and resumed ends with the weights of one that nobody disturbed.

5 kills, or as many as ``KNEEBUNDLE_KILLS`` says.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import threading
import time
from pathlib import Path

import pytest
import torch

from tests.forks import ForkServer

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("KNEEBUNDLE_KILLS", "5"))
EPOCHS = 8

PRELUDE = f"""
from pathlib import Path
import ignite.engine, kneebundle.bundles, kneebundle.datasets.knees, kneebundle.handlers, kneebundle.training
import monai.engines, monai.handlers, torch.utils.tensorboard
from tests.bundles.bundle_runs import BUNDLES, start

def run(bundle, output):
    bundle = Path(bundle)
    small = {{**BUNDLES[bundle.name].small, "max_epochs": {EPOCHS}}}
    start(bundle, "training", ["train.json"], output_dir=output, resume=True, **small)
"""


def finish(server: ForkServer, bundle: Path, output: Path) -> float:
    """Train to the end; the seconds that it took."""
    began = time.monotonic()
    server.start(output.parent, str(bundle), str(output))
    assert server.wait() == 0, server.read_log()[-2000:]
    return time.monotonic() - began


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    weights: dict[str, torch.Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return weights


def test_it_resumes_to_the_same_weights(repository: Path, tmp_path: Path) -> None:
    bundle = repository / "bundles" / "knee_landmark_scn"
    moments, killed = random.Random(0), 0
    with ForkServer(PRELUDE, tmp_path / "log") as server:
        seconds = finish(server, bundle, tmp_path / "whole")
        for _ in range(KILLS):
            run = server.start(tmp_path, str(bundle), str(tmp_path / "out"))
            killer = threading.Timer(moments.uniform(0.1, 0.9) * seconds, server.kill, (run,))
            killer.start()
            code = server.wait()
            killer.cancel()
            killer.join()
            killed += code == -signal.SIGKILL
            for file in (tmp_path / "out").glob("*.pt"):
                read_weights(file)  # whole, or not there
            if code == 0:  # it got to its end, and the next one begins anew
                compare(tmp_path / "whole", tmp_path / "out")
                shutil.rmtree(tmp_path / "out")
        finish(server, bundle, tmp_path / "out")
    compare(tmp_path / "whole", tmp_path / "out")
    assert killed >= KILLS / 3


def compare(undisturbed: Path, resumed: Path) -> None:
    for name in ("model_last.pt", "model.pt"):
        whole, again = read_weights(undisturbed / name), read_weights(resumed / name)
        assert [key for key in whole if not torch.equal(whole[key], again[key])] == [], name
    assert {path.name for path in resumed.iterdir()} <= {path.name for path in undisturbed.iterdir()}
