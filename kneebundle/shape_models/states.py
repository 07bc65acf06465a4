"""The models of this package as state dicts: plain arrays, saved and loaded as the weights of a network are."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from kneebundle.shape_models import active_appearance, constrained_local, regression_voting
from kneebundle.shape_models.active_appearance import ActiveAppearanceModel, Appearance
from kneebundle.shape_models.appearance import CHANNELS, FEATURES
from kneebundle.shape_models.constrained_local import ConstrainedLocalModel
from kneebundle.shape_models.forests import Forests
from kneebundle.shape_models.point_distribution import PointDistributionModel
from kneebundle.shape_models.regression_voting import RegressionVoting

__all__ = ["KINDS", "ShapeModel", "empty_state", "name_kind", "read_state", "write_state"]

ShapeModel = RegressionVoting | ConstrainedLocalModel | ActiveAppearanceModel

_Arrays = dict[str, tuple[int, torch.dtype]]  # dimensions and type by name
_SHAPE: _Arrays = {name: (dimensions, torch.float32) for name, dimensions in (("mean", 2), ("modes", 2))} | {
    "variances": (1, torch.float32)
}
_FOREST: _Arrays = {
    "boxes": (2, torch.int16),
    "roots": (2, torch.int32),
    "feature": (1, torch.int16),
    "threshold": (1, torch.int16),
    "jump": (1, torch.int16),
    "votes": (2, torch.float16),
}
_APPEARANCE: _Arrays = {
    "carry": (2, torch.float32),
    "mean": (2, torch.float32),
    "modes": (3, torch.float32),
    "mean_slope": (3, torch.float32),
    "mode_slopes": (4, torch.float32),
}
_LEVELS: dict[str, tuple[int, _Arrays]] = {
    "rfrv": (len(regression_voting.LEVELS), _FOREST),
    "clm": (len(constrained_local.LEVELS), {"experts": (2, torch.float32)}),
    "aam": (len(active_appearance.LEVELS), _APPEARANCE),
}
KINDS = tuple(_LEVELS)
"""Regression voting, constrained local model, active appearance model."""


def _list_arrays(kind: str) -> _Arrays:
    levels, arrays = _LEVELS[kind]
    listed = {f"shape_{name}": form for name, form in _SHAPE.items()}
    listed |= {f"level{number}_{name}": form for number in range(levels) for name, form in arrays.items()}
    return listed if kind == "rfrv" else {**listed, "features": (0, torch.int64)}


def empty_state(kind: str) -> dict[str, torch.Tensor]:
    """The arrays of a kind of model, all of them without a number in it.

    Raises:
        ValueError: for another kind.

    Example:
        >>> sorted(empty_state("clm"))[:3]
        ['features', 'level0_experts', 'level1_experts']
    """
    if kind not in KINDS:
        raise ValueError(f"a shape model is one of {', '.join(KINDS)}, got {kind!r}")
    return {name: torch.zeros((0,) * count, dtype=dtype) for name, (count, dtype) in _list_arrays(kind).items()}


def name_kind(model: ShapeModel) -> str:
    """Name the kind of a model, one of :data:`KINDS`."""
    return {RegressionVoting: "rfrv", ConstrainedLocalModel: "clm", ActiveAppearanceModel: "aam"}[type(model)]


def write_state(model: ShapeModel) -> dict[str, torch.Tensor]:
    """Write a model as a state dict, for ``torch.save``."""
    levels: list[Mapping[str, np.ndarray]]
    if isinstance(model, RegressionVoting):
        levels = [vars(level) for level in model.forests]
    elif isinstance(model, ConstrainedLocalModel):
        levels = [{"experts": level} for level in model.experts]
    else:
        levels = [vars(level) for level in model.appearances]
    arrays = {f"shape_{name}": getattr(model.shape, name) for name in _SHAPE}
    for number, level in enumerate(levels):
        arrays |= {f"level{number}_{name}": array for name, array in level.items()}
    if not isinstance(model, RegressionVoting):
        arrays["features"] = np.array(FEATURES.index(model.features))
    forms = _list_arrays(name_kind(model))
    return {
        name: torch.from_numpy(np.array(array, order="C")).to(forms[name][1]).clone() for name, array in arrays.items()
    }


def read_state(state: Mapping[str, torch.Tensor], kind: str = "rfrv") -> ShapeModel:
    """Read what :func:`write_state` wrote.

    Args:
        state: by name.
        kind: one of :data:`KINDS`.

    Raises:
        ValueError: if it is not of this form, in one line.
    """
    arrays = {}
    for name, (dimensions, dtype) in _list_arrays(kind).items():
        tensor = state.get(name)
        if not isinstance(tensor, torch.Tensor) or tensor.ndim != dimensions or tensor.dtype != dtype:
            raise ValueError(f"{name} is missing, or no {dtype} array of {dimensions} dimensions")
        arrays[name] = tensor.detach().cpu().numpy()
        if not np.isfinite(arrays[name]).all():
            raise ValueError(f"{name} holds values that are no numbers")
    shape = PointDistributionModel(*(arrays[f"shape_{name}"].astype(np.float64) for name in _SHAPE))
    landmarks = len(shape.mean)
    if shape.mean.shape[1] != 2 or shape.modes.shape != (len(shape.variances), 2 * landmarks):
        raise ValueError("mean, modes and variances of the shape do not fit each other")
    if not (shape.variances > 0).all():
        raise ValueError("the shape has variances that are not positive")
    count, names = _LEVELS[kind]
    levels = [{name: arrays[f"level{number}_{name}"] for name in names} for number in range(count)]
    if kind == "rfrv":
        forests = tuple(Forests(**level) for level in levels)
        for number, forest in enumerate(forests):
            _require(_is_forest(forest, landmarks), number, f"no forests of {landmarks} landmarks")
        return RegressionVoting(shape, forests)
    if not 0 <= int(arrays["features"]) < len(FEATURES):
        raise ValueError(f"features is the number of one of {', '.join(FEATURES)}")
    features = FEATURES[int(arrays["features"])]
    if kind == "clm":
        experts = tuple(level["experts"].astype(np.float64) for level in levels)
        wanted = (landmarks, constrained_local.count_weights(features))
        for number, expert in enumerate(experts):
            _require(expert.shape == wanted, number, f"no patch experts of {landmarks} landmarks that see {features}")
        return ConstrainedLocalModel(shape, experts, features)
    appearances = tuple(Appearance(**level) for level in levels)
    for number, appearance in enumerate(appearances):
        fits = _is_appearance(appearance, landmarks, CHANNELS[features])
        _require(fits, number, f"no appearance around {landmarks} landmarks that shows {features}")
    return ActiveAppearanceModel(shape, appearances, features)


def _require(fits: bool, level: int, text: str) -> None:
    if not fits:
        raise ValueError(f"the arrays of level{level} are {text}")


def _is_appearance(appearance: Appearance, landmarks: int, channels: int) -> bool:
    pixels, modes = len(appearance.carry), len(appearance.modes)
    wanted = {
        "carry": (pixels, landmarks),
        "mean": (pixels, channels),
        "modes": (modes, pixels, channels),
        "mean_slope": (pixels, channels, 2),
        "mode_slopes": (modes, pixels, channels, 2),
    }
    return pixels > 0 and all(getattr(appearance, name).shape == shape for name, shape in wanted.items())


def _is_forest(forest: Forests, landmarks: int) -> bool:
    """Whether all nodes lead on to a leaf, so that asking ends and reads nothing beside the arrays."""
    nodes = len(forest.feature)
    place, split = np.arange(nodes), forest.feature >= 0
    fits = forest.boxes.shape[1:] == (8,) and len(forest.roots) == landmarks and forest.votes.shape[1:] == (3,)
    fits = fits and len(forest.threshold) == nodes and len(forest.jump) == nodes
    fits = fits and len(forest.votes) == np.count_nonzero(~split)
    if fits and nodes:
        after = place + forest.jump
        fits = bool(
            (forest.feature < len(forest.boxes)).all()
            and (forest.jump[split] > 0).all()
            and (after[split] < nodes).all()
            and not split[-1]
            and forest.roots.size > 0
            and (forest.roots >= 0).all()
            and (forest.roots < nodes).all()
        )
    return fits
