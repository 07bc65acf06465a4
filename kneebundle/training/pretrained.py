"""Where the weights of a training start: at random, or at those of another network (KNEEL section 3.3)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from kneebundle.errors import KneeBundleError

__all__ = ["LAST_LAYER", "start_from"]

LAST_LAYER = "output.4."


def start_from(network: nn.Module, weights: str | Path = "", last_layer: str = LAST_LAYER) -> Any:
    """Load weights into a network; where it has another number of landmarks, all layers but the last.

    Nothing is frozen. With as many landmarks as the weights' network every tensor is taken over, so a training at a
    coarse spacing can be continued at a fine one.

    Args:
        network: the network; its random weights stay where nothing is taken over.
        weights: a file with a state_dict; empty: nothing is loaded.
        last_layer: start of the names of the layer that may differ.

    Returns:
        The network.

    Raises:
        KneeBundleError: if the file is missing or of another architecture.
    """
    if not str(weights):
        return network
    path = Path(weights)
    if not path.is_file():
        raise KneeBundleError(
            "there are no such weights to start from; give another file, or none", path, "start_weights"
        )
    state = torch.load(path, map_location="cpu", weights_only=True)
    own = network.state_dict()
    unlike = [name for name in own if name not in state or state[name].shape != own[name].shape]
    unlike += [name for name in state if name not in own]
    if any(not name.startswith(last_layer) for name in unlike):
        raise KneeBundleError(
            f"these weights are of another network ({unlike[0]} differs); use the same width, depth and block",
            path,
            "start_weights",
        )
    network.load_state_dict({name: value for name, value in state.items() if name not in unlike}, strict=False)
    return network
