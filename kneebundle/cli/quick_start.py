"""Start a command that predicts quickly: MONAI without what predictions do not use of it, threads that do not spin.

MONAI imports whatever optional packages it finds, Ignite, Matplotlib and pandas among them, and all modules of its own:
two of three seconds of its import. While MONAI is imported here those packages count as not installed, and its modules
are left to be imported by whoever uses them. What MONAI does with those packages is then missing in this process, which
is why only a process that ends with its command may start so; the packages themselves stay usable.
"""

from __future__ import annotations

import gc
import os
import sys
from importlib import import_module
from unittest import mock

__all__ = ["UNUSED", "start_quickly"]

UNUSED = (
    "cucim",
    "gdown",
    "huggingface_hub",
    "ignite",
    "jsonschema",
    "lpips",
    "matplotlib",
    "mlflow",
    "nibabel",
    "pandas",
    "requests",
    "scipy.signal",
    "scipy.stats",
    "skimage",
    "sklearn",
    "tensorboard",
    "torch.utils.tensorboard",
    "torchvision",
    "transformers",
)
"""Packages that MONAI does without in a process that predicts."""


def start_quickly() -> None:
    """Import torch and MONAI; does nothing where MONAI has been imported."""
    if "monai" in sys.modules:
        return
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # read when torch is imported
    gc.disable()  # a fifth of the imports' time is the search for garbage, of which they make none
    try:
        _import_networks()
    finally:
        gc.freeze()
        gc.enable()


def _import_networks() -> None:
    import torch

    from kneebundle.inferers.cores import count_cores

    torch.set_num_threads(count_cores())
    hidden = [name for name in UNUSED if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        with mock.patch("pkgutil.walk_packages", return_value=()):
            import_module("monai")
        # what predictions use, in the order in which MONAI itself imports it
        for name in ("monai.apps", "monai.bundle", "monai.inferers", "monai.networks.nets"):
            import_module(name)
    finally:
        for name in hidden:
            if sys.modules.get(name) is None:
                sys.modules.pop(name, None)
