"""The unit tests that the Model Zoo's CI runs for a bundle: each of its workflows on a few drawn images."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from kneebundle.errors import KneeBundleError

__all__ = ["SMALL_SETTINGS", "find_small_settings", "format_distributed_test", "format_unit_test"]

_SMALL = {"num_workers": 0, "batch_size": 2, "phantom_size": 4, "max_epochs": 1, "precision": None}
_NARROW = {**_SMALL, "network_def#width": 4}

SMALL_SETTINGS: dict[str, dict[str, Any]] = {
    # pixels as coarse as the network's poolings allow
    "knee_landmark_localization": {**_NARROW, "spacing_mm": 0.45},
    "knee_roi_localization": {**_NARROW, "film_count": 4},
    # 140 mm are 64 pixels
    "knee_landmark_scn": {**_SMALL, "features": 4, "spacing_mm": 2.1875},
    "hand_landmark_scn": {**_SMALL, "features": 4, "spatial_features": 4, "image_size": [96, 64], "epoch_size": 4},
    "knee_surgical_planning": {
        **_SMALL,
        "input_px": 64,
        "network_def#stages": 2,
        "network_def#c1": 4,
        "network_def#c2": 8,
        "network_def#channels": 8,
        "network_def#depth": 2,
    },
    "knee_quality_check": {**_SMALL, "phantom_size": 32},
    "knee_parts_registration": {**_SMALL, "levels": 1, "stages": [[14, 3, 1]]},
}
"""Settings of train.json, by bundle, with which a training on drawn images takes seconds."""

# what draws images like the samples that inference.json takes by default, and what it has to be told of them
_DRAWN = {
    "knees": ("from kneebundle.phantoms.pa import synthesize_knees as draw", '"image_spacing_mm": 0.3'),
    "films": ("from kneebundle.phantoms.pa import write_film_samples as draw", ""),
    "hands": ("from kneebundle.phantoms.hand import write_hand_samples as draw", ""),
    "lateral": ("from kneebundle.phantoms.lateral import synthesize_lateral as draw", '"image_spacing_mm": 0.75'),
}

_LICENSE = """\
# Copyright (c) MONAI Consortium
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.
"""

_UNIT_TEST = """
import os
import shutil
import sys
import tempfile
import unittest

from monai.bundle import ConfigWorkflow

BUNDLE_ROOT = os.path.join("models", "@NAME@")
SMALL = @SMALL@

sys.path.insert(0, BUNDLE_ROOT)  # the bundle brings its code


class Test@CLASS@(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()

    def tearDown(self):
        shutil.rmtree(self.folder)

    def run_workflow(self, workflow_type, names, **override):
        workflow = ConfigWorkflow(
            workflow_type=workflow_type,
            config_file=[os.path.join(BUNDLE_ROOT, "configs", name) for name in names],
            meta_file=os.path.join(BUNDLE_ROOT, "configs/metadata.json"),
            logging_file=os.path.join(BUNDLE_ROOT, "configs/logging.conf"),
            bundle_root=BUNDLE_ROOT,
            **override,
        )
        workflow.initialize()
        self.assertFalse(workflow.check_properties())
        workflow.run()
        workflow.finalize()

@TRAINING@    def test_inference(self):
        @IMPORT@

        drawn, output_dir = os.path.join(self.folder, "drawn"), os.path.join(self.folder, "predictions")
        draw(drawn, count=1)
        images = os.path.join(drawn, "images")
        dataset_dir = images if os.path.isdir(images) else drawn
        override = {"dataset_dir": dataset_dir, "output_dir": output_dir@MORE@}
        self.run_workflow("infer", ["inference.json"], **override)
        self.assertTrue(os.listdir(output_dir))
        self.assertFalse(os.path.exists(os.path.join(output_dir, "errors.csv")))


if __name__ == "__main__":
    unittest.main()
"""

_TRAINING = """\
    def test_train_and_evaluate(self):
        output_dir = os.path.join(self.folder, "train")
        self.run_workflow("train", ["train.json"], output_dir=output_dir, **SMALL)
        weights = os.path.join(output_dir, "model.pt")
        evaluated = os.path.join(self.folder, "evaluate")
        names = ["train.json", "evaluate.json"]
        self.run_workflow("eval", names, output_dir=evaluated, weights=weights, **SMALL)
        self.assertTrue(os.path.isfile(os.path.join(evaluated, "metrics.csv")))

"""

_DISTRIBUTED_TEST = """
import os
import shutil
import subprocess
import tempfile
import unittest

import torch

BUNDLE_ROOT = os.path.join("models", "@NAME@")
SMALL = @SMALL@


class Test@CLASS@MGPU(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()

    def tearDown(self):
        shutil.rmtree(self.folder)

    def run_bundle(self, run_id, names, **override):
        # a process a GPU; on a machine without one, two processes on the processor
        processes = torch.cuda.device_count() or 2
        command = ["torchrun", "--standalone", "--nnodes=1", f"--nproc_per_node={processes}"]
        files = [os.path.join(BUNDLE_ROOT, "configs", name) for name in names]
        command += ["-m", "monai.bundle", "run", run_id, "--config_file", str(files)]
        command += ["--meta_file", os.path.join(BUNDLE_ROOT, "configs/metadata.json")]
        command += ["--logging_file", os.path.join(BUNDLE_ROOT, "configs/logging.conf"), "--bundle_root", BUNDLE_ROOT]
        override["phantom_size"] = max(SMALL.get("phantom_size", 0), 8 * processes)  # images for all of them
        for key, value in {**SMALL, **override}.items():
            command += [f"--{key}", str(value)]
        # the bundle brings its code; this process may be one of torchrun's, the new ones are not
        ours = {k: v for k, v in os.environ.items() if not k.startswith(("TORCHELASTIC_", "MASTER_"))}
        subprocess.check_call(command, env={**ours, "PYTHONPATH": BUNDLE_ROOT})

    def test_train_and_evaluate(self):
        output_dir = os.path.join(self.folder, "train")
        self.run_bundle("training", ["train.json", "multi_gpu_train.json"], output_dir=output_dir)
        weights = os.path.join(output_dir, "model.pt")
        evaluated = os.path.join(self.folder, "evaluate")
        names = ["train.json", "evaluate.json", "multi_gpu_evaluate.json"]
        self.run_bundle("evaluating", names, output_dir=evaluated, weights=weights)
        self.assertTrue(os.path.isfile(os.path.join(evaluated, "metrics.csv")))


if __name__ == "__main__":
    unittest.main()
"""


def find_small_settings(root: Path) -> dict[str, Any]:
    """Find settings of a bundle's train.json with which a training takes seconds.

    For a bundle that is not one of :data:`SMALL_SETTINGS`, nor in the place of one, only the training is made small:
    its network stays as large as it is. There are none for a bundle without train.json.

    Args:
        root: the bundle's folder.

    Raises:
        KneeBundleError: if train.json or the metadata cannot be read.
    """
    if not _is_trained(root):
        return {}
    place = _read(root, "metadata.json").get("takes_place_of")
    small = SMALL_SETTINGS.get(root.name) or SMALL_SETTINGS.get(str(place)) or _SMALL
    train = _read(root, "train.json")
    return {key: value for key, value in small.items() if key.split("#")[0] in train}


def format_unit_test(root: Path) -> str:
    """Format ``ci/unit_tests/test_<name>.py``: training and evaluation, if it has them, and inference on drawn images.

    Args:
        root: the bundle's folder.

    Raises:
        KneeBundleError: if a configuration cannot be read, or inference.json does not say by its ``dataset_dir`` which
            of this package's samples are like its images.
    """
    found = re.search(r"samples/(\w+)", str(_read(root, "inference.json").get("dataset_dir")))
    if found is None or found[1] not in _DRAWN:
        raise KneeBundleError(
            f"dataset_dir names none of samples/{', samples/'.join(_DRAWN)}, and the unit test draws such images; "
            "name the one that is most like the bundle's",
            root / "configs" / "inference.json",
        )
    statement, more = _DRAWN[found[1]]
    template = _UNIT_TEST.replace("@TRAINING@", _TRAINING if _is_trained(root) else "")
    return _fill(template, root).replace("@IMPORT@", statement).replace("@MORE@", f", {more}" if more else "")


def format_distributed_test(root: Path) -> str:
    """Format ``ci/unit_tests/test_<name>_dist.py``: training and evaluation in several processes by torchrun.

    Args:
        root: the bundle's folder.

    Raises:
        KneeBundleError: if a configuration cannot be read.
    """
    return _fill(_DISTRIBUTED_TEST, root)


def _fill(template: str, root: Path) -> str:
    small = find_small_settings(root)
    settings = "".join(f"    {json.dumps(key)}: {value!r},\n" for key, value in small.items())
    filled = {
        "@NAME@": root.name,
        "@CLASS@": "".join(part.capitalize() for part in root.name.split("_")),
        "@SMALL@": f"{{\n{settings}}}" if small else "{}",
    }
    for place, text in filled.items():
        template = template.replace(place, text)
    return _LICENSE + template


def _is_trained(root: Path) -> bool:
    return (root / "configs" / "train.json").is_file()


def _read(root: Path, name: str) -> dict[str, Any]:
    path = root / "configs" / name
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise KneeBundleError(f"this file cannot be read ({error}); correct it", path) from error
    return content if isinstance(content, dict) else {}
