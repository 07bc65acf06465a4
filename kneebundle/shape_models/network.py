"""Regression voting as a bundle's network: a module whose state are forests instead of weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from kneebundle.measurements.knee_shape import load_shape_model
from kneebundle.shape_models.forests import Forests
from kneebundle.shape_models.frames import even_contrast
from kneebundle.shape_models.matching import to_confidence
from kneebundle.shape_models.point_distribution import PointDistributionModel
from kneebundle.shape_models.regression_voting import LEVELS, RegressionVoting

__all__ = ["RegressionVotingNet", "read_state", "write_state"]

_SHAPE = {"mean": (2, torch.float32), "modes": (2, torch.float32), "variances": (1, torch.float32)}
_FOREST = {
    "boxes": (2, torch.int16),
    "roots": (2, torch.int32),
    "feature": (1, torch.int16),
    "threshold": (1, torch.int16),
    "jump": (1, torch.int16),
    "votes": (2, torch.float16),
}
_KNOWN = {f"shape_{name}": kind for name, kind in _SHAPE.items()} | {
    f"level{number}_{name}": kind for number in range(len(LEVELS)) for name, kind in _FOREST.items()
}


def write_state(model: RegressionVoting) -> dict[str, torch.Tensor]:
    """Write a model as a state dict, which is saved and loaded as the weights of a network are."""
    arrays = {f"shape_{name}": getattr(model.shape, name) for name in _SHAPE}
    for number, forests in enumerate(model.forests):
        arrays |= {f"level{number}_{name}": getattr(forests, name) for name in _FOREST}
    return {name: torch.from_numpy(np.ascontiguousarray(array)).to(_KNOWN[name][1]) for name, array in arrays.items()}


def read_state(state: Mapping[str, torch.Tensor]) -> RegressionVoting:
    """Read what :func:`write_state` wrote.

    Raises:
        ValueError: if it is not of this form, in one line.
    """
    for name, (dimensions, dtype) in _KNOWN.items():
        tensor = state.get(name)
        if not isinstance(tensor, torch.Tensor) or tensor.ndim != dimensions or tensor.dtype != dtype:
            raise ValueError(f"{name} is missing, or no {dtype} array of {dimensions} dimensions")
    arrays = {name: state[name].detach().cpu().numpy() for name in _KNOWN}
    shape = PointDistributionModel(*(arrays[f"shape_{name}"].astype(np.float64) for name in _SHAPE))
    landmarks = len(shape.mean)
    if shape.mean.shape[1] != 2 or shape.modes.shape != (len(shape.variances), 2 * landmarks):
        raise ValueError("mean, modes and variances of the shape do not fit each other")
    if not all(np.isfinite(array).all() for array in (shape.mean, shape.modes)) or not (shape.variances > 0).all():
        raise ValueError("the shape holds numbers that are no shape")
    forests = []
    for number in range(len(LEVELS)):
        forest = Forests(**{name: arrays[f"level{number}_{name}"] for name in _FOREST})
        _check_forest(forest, landmarks, f"level{number}")
        forests.append(forest)
    return RegressionVoting(shape, tuple(forests))


def _check_forest(forest: Forests, landmarks: int, name: str) -> None:
    """A forest whose nodes lead on to a leaf, so that asking it ends and reads nothing beside its arrays."""
    nodes = len(forest.feature)
    place, split = np.arange(nodes), forest.feature >= 0
    fits = forest.boxes.shape[1:] == (8,) and len(forest.roots) == landmarks and forest.votes.shape[1:] == (3,)
    fits = fits and len(forest.threshold) == nodes and len(forest.jump) == nodes
    fits = fits and len(forest.votes) == np.count_nonzero(~split) and bool(np.isfinite(forest.votes).all())
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
    if not fits:
        raise ValueError(f"the arrays of {name} are no forests of {landmarks} landmarks")


class RegressionVotingNet(nn.Module):
    """A :class:`~kneebundle.shape_models.RegressionVoting` in the place of a landmark network.

    It predicts with numpy on the processor, whatever the device, and nothing of it is trained by gradients; its state
    dict holds the forests (:func:`write_state`). Without one it has no forests, and gives the mean shape in the middle
    of the region with the least confidence.

    Args:
        spacing_mm: size of the pixels of the regions.
        confidence_spread: spread of the votes, as a fraction of the region's width, at which the confidence is 1/2.

    Example:
        >>> network = RegressionVotingNet()
        >>> network(torch.zeros(1, 1, 96, 96)).shape
        torch.Size([1, 16, 2])
    """

    def __init__(self, spacing_mm: float = 0.3, confidence_spread: float = 0.00868) -> None:
        super().__init__()
        self.spacing_mm = float(spacing_mm)
        self.confidence_spread = float(confidence_spread)
        mean = torch.from_numpy(load_shape_model().mean).float()
        empty = {name: torch.zeros((0,) * dimensions, dtype=dtype) for name, (dimensions, dtype) in _KNOWN.items()}
        for name, tensor in {**empty, "shape_mean": mean - mean.mean(0)}.items():
            self.register_buffer(name, tensor)
        self._model: RegressionVoting | None = None

    def forward(self, x: torch.Tensor, with_confidence: bool = False) -> torch.Tensor:
        """Locate the landmarks.

        Args:
            x: (B, 1, H, W), right (or mirrored left) knees.
            with_confidence: give the confidence, too.

        Returns:
            (B, N, 2) float32, x then y, each in [0, 1) of the image's width and height. With confidence (B, N, 3): a
            third column in (0, 1], ``1 / (1 + spread / confidence_spread)``.

        Raises:
            RuntimeError: while it is exported: forests have no graph.
        """
        if torch.jit.is_tracing() or torch.jit.is_scripting():
            raise RuntimeError("forests are asked by numpy and have no graph that could be exported")
        size = np.array([x.shape[-1], x.shape[-2]])
        found = []
        for region in x.detach().float().cpu().numpy()[:, 0]:
            points, spread = self._match(region)
            xy = points / self.spacing_mm / size + 0.5
            confidence = to_confidence(spread, self.confidence_spread * float(size[0]) * self.spacing_mm)
            found.append(np.column_stack([xy, confidence]))
        result = torch.from_numpy(np.stack(found)).float().to(x.device)
        return result if with_confidence else result[..., :2]

    def _match(self, region: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if self._model is None:
            mean: Any = self.shape_mean
            return mean.cpu().numpy(), np.full(len(mean), 1e3)
        match = self._model.match(even_contrast(region, self.spacing_mm), self.spacing_mm)
        return match.points, match.spread_mm

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *args: Any) -> None:
        """Take arrays of any size, if they are forests."""
        _, _, missing, unexpected, errors = args
        own = {name.removeprefix(prefix): value for name, value in state_dict.items() if name.startswith(prefix)}
        missing.extend(prefix + name for name in _KNOWN.keys() - own.keys())
        unexpected.extend(prefix + name for name in own.keys() - _KNOWN.keys())
        if len(own.get("level0_feature", ())) == 0:  # the state of a module without forests
            return
        try:
            model = read_state(own)
        except ValueError as error:
            errors.append(str(error))
            return
        for name in _KNOWN:
            self.register_buffer(name, own[name].detach().clone())
        self._model = model
