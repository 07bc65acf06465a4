"""What a process that predicts imports: only what it uses."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from kneebundle.cli.quick_start import UNUSED


def run(code: str) -> Any:
    """What a fresh interpreter prints last, as JSON."""
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return json.loads(answer.stdout.splitlines()[-1])


PREDICT = """
import json, sys
from kneebundle.cli.quick_start import start_quickly
start_quickly()
import kneebundle.batch.run
from kneebundle.pipelines.by_view import PipelineOptions, PipelinesByView
pipelines = PipelinesByView.from_bundles(PipelineOptions(device="cpu"))
pipelines.load("frontal"), pipelines.load("lateral")
print(json.dumps(sorted(sys.modules)))
"""


def test_networks_are_loaded_without_what_predictions_do_not_use() -> None:
    loaded = set(run(PREDICT))
    slow = {*UNUSED, "highdicom", "skimage.measure", "torch.distributed.optim", "monai.engines", "monai.apps.pathology"}
    assert slow.isdisjoint(loaded), sorted(slow & loaded)
    assert not [name for name in loaded if name.startswith("itk._ITK")], "ITK waits for the first low-pass"


SMOOTH = """
import json, sys
import torch
from monai.data import MetaTensor
from kneebundle.transforms.resample import resample_to_spacing
resample_to_spacing(MetaTensor(torch.rand(1, 50, 50)), (2.5, 2.5))
print(json.dumps(sorted(name for name in sys.modules if name.startswith("itk._ITK"))))
"""


def test_the_low_pass_loads_the_core_of_itk_alone() -> None:
    assert run(SMOOTH) == ["itk._ITKCommonBasePython", "itk._ITKCommonPython", "itk._ITKPyBasePython"]


LATER = """
import json
from kneebundle.cli.quick_start import start_quickly
start_quickly()
import ignite, matplotlib.pyplot, pandas, skimage.measure
from monai.transforms import Compose
from monai.losses import DiceLoss
print(json.dumps([ignite.__name__, matplotlib.pyplot.__name__, pandas.__name__, skimage.measure.__name__]))
"""


def test_the_hidden_packages_can_be_used_later() -> None:
    assert run(LATER) == ["ignite", "matplotlib.pyplot", "pandas", "skimage.measure"]


INSIDE = """
import json, sys
import monai
from kneebundle.cli.quick_start import start_quickly
start_quickly()
print(json.dumps("monai.engines" in sys.modules))
"""


def test_where_monai_is_in_use_nothing_is_hidden() -> None:
    assert run(INSIDE) is True
