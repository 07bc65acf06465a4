"""The models of this package as a bundle's network: a module whose state are forests, experts or appearances."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from kneebundle.measurements.knee_shape import load_shape_model
from kneebundle.shape_models.frames import even_contrast
from kneebundle.shape_models.matching import to_confidence
from kneebundle.shape_models.states import ShapeModel, empty_state, read_state

__all__ = ["ShapeModelNet"]


class ShapeModelNet(nn.Module):
    """A model of this package in the place of a landmark network.

    It predicts with numpy on the processor, whatever the device, and nothing of it is trained by gradients; its state
    dict holds the model (:func:`kneebundle.shape_models.write_state`). Without one it gives the mean shape in the
    middle of the region with the least confidence.

    Args:
        kind: one of :data:`kneebundle.shape_models.KINDS`.
        spacing_mm: size of the pixels of the regions.
        confidence_spread: spread of the responses, as a fraction of the region's width, at which the confidence is 1/2.

    Raises:
        ValueError: for another kind.

    Example:
        >>> network = ShapeModelNet("clm")
        >>> network(torch.zeros(1, 1, 96, 96)).shape
        torch.Size([1, 16, 2])
    """

    def __init__(self, kind: str = "rfrv", spacing_mm: float = 0.3, confidence_spread: float = 0.00868) -> None:
        super().__init__()
        self.kind = kind
        self.spacing_mm = float(spacing_mm)
        self.confidence_spread = float(confidence_spread)
        self._empty = empty_state(kind)
        mean = torch.from_numpy(load_shape_model().mean).float()
        for name, tensor in {**self._empty, "shape_mean": mean - mean.mean(0)}.items():
            self.register_buffer(name, tensor)
        self._model: ShapeModel | None = None

    def forward(self, x: torch.Tensor, with_confidence: bool = False) -> torch.Tensor:
        """Locate the landmarks.

        Args:
            x: (B, 1, H, W), right (or mirrored left) knees.
            with_confidence: give the confidence, too.

        Returns:
            (B, N, 2) float32, x then y, each in [0, 1) of the image's width and height. With confidence (B, N, 3): a
            third column in (0, 1], ``1 / (1 + spread / confidence_spread)``.

        Raises:
            RuntimeError: while it is exported: these models have no graph.
        """
        if torch.jit.is_tracing() or torch.jit.is_scripting():
            raise RuntimeError("classical models are asked by numpy and have no graph that could be exported")
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
        """Take arrays of any size, if they are a model of this kind."""
        _, _, missing, unexpected, errors = args
        own = {name.removeprefix(prefix): value for name, value in state_dict.items() if name.startswith(prefix)}
        missing.extend(prefix + name for name in self._empty.keys() - own.keys())
        unexpected.extend(prefix + name for name in own.keys() - self._empty.keys())
        variances = own.get("shape_variances")
        if isinstance(variances, torch.Tensor) and variances.numel() == 0:  # the state of a module without a model
            return
        try:
            model = read_state(own, self.kind)
        except ValueError as error:
            errors.append(str(error))
            return
        for name in self._empty:
            self.register_buffer(name, own[name].detach().clone())
        self._model = model
