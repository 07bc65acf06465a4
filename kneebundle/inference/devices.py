"""Where the networks run."""

from __future__ import annotations

import torch

from kneebundle.errors import KneeBundleError

__all__ = ["chosen_device"]


def chosen_device(name: str) -> torch.device:
    """The device of that name; ``"auto"`` is CUDA where there is one, else the processor.

    Raises:
        KneeBundleError: if CUDA is asked for and not there.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise KneeBundleError("there is no CUDA device; use --device cpu")
    return torch.device(name)
