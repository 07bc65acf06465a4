"""Read the snapshots that KNEEL saves, and tell from their weights which network they are of."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from kneebundle.errors import KneeBundleError, in_brief

__all__ = ["describe_network", "find_snapshots", "fold_normalization", "read_mean_std", "read_snapshot"]

State = dict[str, torch.Tensor]

_FIRST = "layer1.0.weight"
_KINDS = {"scale1.0.weight": "hmp", "bottleneck.0.weight": "bottleneck"}
_MEAN_STD = "mean_std.npy"


def find_snapshots(path: Path) -> list[Path]:
    """Find the snapshots of a training, in the order of the folds.

    Args:
        path: a folder with ``fold_*.pth``, or one such file.

    Raises:
        KneeBundleError: if there is none, or a fold has several.
    """
    if path.is_file():
        return [path]
    files = sorted(path.glob("fold_*.pth"), key=lambda file: (_number_fold(file), file.name))
    if not files:
        below = sorted({file.parent.name for file in path.glob("*/fold_*.pth")})
        cure = f"give one of its folders {', '.join(below)}" if below else "give the folder of one KNEEL training"
        raise KneeBundleError(f"there is no fold_*.pth in this folder; {cure}", path, "snapshots")
    numbers = [_number_fold(file) for file in files]
    twice = sorted({number for number in numbers if numbers.count(number) > 1})
    if twice:
        raise KneeBundleError(
            f"there are several snapshots of fold {twice[0]}; leave the one that is wanted", path, "snapshots"
        )
    return files


def _number_fold(file: Path) -> float:
    found = re.match(r"fold_(\d+)", file.name)
    return float(found.group(1)) if found else float("inf")


def read_mean_std(snapshots: Path, file: Path | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Read the mean and the standard deviation of the grey values that the networks were trained with.

    Args:
        snapshots: of :func:`find_snapshots`.
        file: a ``mean_std.npy``; None: that in the folder of the snapshots or in the folder above.

    Returns:
        Two arrays of one number for each channel, or of one for all.

    Raises:
        KneeBundleError: if there is none, or it is something else.
    """
    folder = snapshots.parent if snapshots.is_file() else snapshots
    places = [folder / _MEAN_STD, folder.resolve().parent / _MEAN_STD] if file is None else [file]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise KneeBundleError(
            f"there is no {_MEAN_STD} in this folder or the one above; the grey values that the networks expect "
            "cannot be known without it"
            if file is None
            else f"there is no such file; {_MEAN_STD} of the snapshots is needed",
            folder if file is None else file,
            "mean_std",
        )
    try:
        values = np.asarray(np.load(found, allow_pickle=False), dtype=np.float64)
    except (OSError, ValueError, EOFError) as error:
        raise KneeBundleError(f"not an array of numbers ({in_brief(error)}); {_MEAN_STD} is needed", found) from error
    values = values.reshape(2, -1) if values.shape[:1] == (2,) else values
    if values.ndim != 2 or not values.size or not np.isfinite(values).all() or not (values[1] > 0).all():
        raise KneeBundleError(
            f"an array of shape {values.shape}; means, then standard deviations above 0, one for each channel, are "
            "needed",
            found,
        )
    return values[0], values[1]


def read_snapshot(file: Path) -> list[State]:
    """Read the weights in a snapshot, without running anything that it may contain.

    Returns:
        The weights of one network by name; of each network, where the file has several.

    Raises:
        KneeBundleError: if it cannot be read, holds Python objects, or has no weights of a KNEEL network.
    """
    try:
        with torch.serialization.safe_globals(_list_numpy_globals()):
            content = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:
        if "weights_only" in str(error) or "Unsupported" in str(error):
            found = re.search(r"GLOBAL (\S+)", str(error))
            what = f" ({found.group(1)})" if found else ""
            raise KneeBundleError(
                f"it holds Python objects besides weights{what} and might run code when it is loaded; it is not "
                "loaded: save its state_dict alone, where it can be trusted",
                file,
            ) from error
        raise KneeBundleError(f"not a snapshot of PyTorch ({in_brief(error)})", file) from error
    states = _find_states(content)
    if not states:
        keys = ", ".join(map(str, list(content)[:5])) if isinstance(content, Mapping) else type(content).__name__
        raise KneeBundleError(f"no weights of a KNEEL network; found: {keys or 'nothing'}", file)
    return states


def _list_numpy_globals() -> list[Any]:
    """What pickled numbers of NumPy, such as a validation loss beside the weights, are made with; they run no code."""
    scalar: Any = np._core.multiarray.scalar  # type: ignore[attr-defined]
    kinds = [type(np.dtype(kind)) for kind in ("f4", "f8", "i4", "i8", "?")]
    return [(scalar, "numpy.core.multiarray.scalar"), (scalar, "numpy._core.multiarray.scalar"), np.dtype, *kinds]


def _find_states(content: Any) -> list[State]:
    """The weights in what was loaded, or in one of its tables, without what all their names begin with."""
    if not isinstance(content, Mapping):
        return []
    tensors = {str(key): value for key, value in content.items() if isinstance(value, torch.Tensor)}
    prefixes = sorted(key.removesuffix(_FIRST) for key in tensors if f".{key}".endswith(f".{_FIRST}"))
    if prefixes:
        return [
            {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
            for prefix in prefixes
        ]
    return next(filter(None, map(_find_states, content.values())), [])


def describe_network(state: Mapping[str, torch.Tensor], file: Path) -> dict[str, Any]:
    """Describe the network of some weights: options of :class:`~kneebundle.networks.kneel_release.KneelReleaseNet`.

    Raises:
        KneeBundleError: if they are of another network.
    """
    first, last = state[_FIRST], state.get("out_block.0.weight")
    if first.ndim != 4 or last is None or last.ndim != 4:
        raise KneeBundleError("these are not the weights of a KNEEL network: no out_block.0.weight", file)
    outer, inner = "layer1.3", "hourglass.lower4.lower1"
    depth = 1
    while any(key.startswith(f"hourglass.{'lower4.' * depth}lower1.") for key in state):
        depth += 1
    block = _find_kind(state, outer, file)
    inner_block = _find_kind(state, inner, file) if depth > 1 else block
    excitation = _find_excitation(state, lambda key: not key.startswith("hourglass.lower4.") or depth == 1)
    return {
        "num_landmarks": int(last.shape[0]),
        "width": int(first.shape[0]),
        "depth": depth,
        "block": block,
        "inner_block": inner_block,
        "excitation": excitation,
        "inner_excitation": _find_excitation(state, lambda key: key.startswith("hourglass.lower4."))
        if depth > 1
        else excitation,
        "bias": any(f"{outer}.{kind.replace('weight', 'bias')}" in state for kind in _KINDS),
    }


def _find_kind(state: Mapping[str, torch.Tensor], block: str, file: Path) -> str:
    for name, kind in _KINDS.items():
        if f"{block}.{name}" in state:
            return kind
    raise KneeBundleError(f"these are not the weights of a KNEEL network: no block of a known kind at {block}", file)


def _find_excitation(state: Mapping[str, torch.Tensor], chosen: Any) -> int:
    """The ratio of squeeze and excitation that gives all the widths that are there; 0 where there are none."""
    shapes = {
        tuple(value.shape[:2])
        for key, value in state.items()
        if key.endswith("se_block.scorer.1.weight") and chosen(key)
    }
    widest = max((channels for _, channels in shapes), default=0)
    ratios = (r for r in range(1, widest + 1) if all(channels // r == hidden for hidden, channels in shapes))
    return next(ratios, 0)


def fold_normalization(state: Mapping[str, torch.Tensor], mean: np.ndarray, std: np.ndarray, file: Path) -> State:
    """Fold the normalisation of the input and its equal channels into the first layer.

    With weights w_c of channel c the layer gives sum_c w_c * (x - mean_c) / std_c, with zeros around. That is
    (sum_c w_c / std_c) * x - (sum_c w_c mean_c / std_c) * 1, where both x and 1 end at the border: two channels.

    Args:
        state: the weights of one network.
        mean: of each channel, or one for all.
        std: the same.
        file: for the error.

    Returns:
        The weights with a first layer for two channels, the image and ones; blocks of the mixer by their order.

    Raises:
        KneeBundleError: if there are other numbers of channels.
    """
    first = state[_FIRST].double()
    channels = first.shape[1]
    if len(mean) not in (1, channels):
        raise KneeBundleError(
            f"the network takes {channels} channels and the means are of {len(mean)}; give its own mean_std.npy", file
        )
    m, s = (torch.from_numpy(np.resize(v, channels)).double()[:, None, None] for v in (mean, std))
    folded = torch.stack([(first / s).sum(1), -(first * m / s).sum(1)], dim=1).float()
    places = sorted({int(key.split(".")[1]) for key in state if re.match(r"mixer\.\d+\.", key)})
    names = {f"mixer.{old}.": f"mixer.{1 + 2 * number}." for number, old in enumerate(places)}
    renamed = {
        _rename(key, names): value.float() if value.is_floating_point() else value for key, value in state.items()
    }
    return {"layer1.0.bias": torch.zeros(len(first)), **renamed, _FIRST: folded}


def _rename(key: str, names: Mapping[str, str]) -> str:
    return next((new + key.removeprefix(old) for old, new in names.items() if key.startswith(old)), key)
