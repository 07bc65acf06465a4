"""Where the networks run."""

from __future__ import annotations

import torch

from kneebundle.errors import KneeBundleError

__all__ = ["choose_device"]


def choose_device(name: str) -> torch.device:
    """Choose the device of that name; ``"auto"`` is CUDA where there is one, else the CPU.

    Raises:
        KneeBundleError: if CUDA is asked for and not there.

    Example:
        >>> choose_device("cpu")
        device(type='cpu')
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise KneeBundleError("there is no CUDA device", field="device")
    return torch.device(name)
