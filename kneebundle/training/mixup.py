"""Paired MixUp for landmarks (KNEEL section 3.3, equations 5 to 9)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from monai.engines import SupervisedTrainer

__all__ = ["MIXUPS", "Mix", "MixUpTrainer"]

MIXUPS = ("paired", "original", "none")


@dataclass(frozen=True)
class Mix:
    """What is drawn for a minibatch.

    Attributes:
        weight: lambda, drawn from Beta(alpha, alpha).
        partners: (B,) which image of the minibatch each one is mixed with.
    """

    weight: float
    partners: np.ndarray

    @property
    def image_weight(self) -> float:
        """The weight of x1 in x', lambda' = max(lambda, 1 - lambda) (equation 6)."""
        return max(self.weight, 1.0 - self.weight)

    def images(self, x: torch.Tensor) -> torch.Tensor:
        """Mix the images: x' = lambda' x1 + (1 - lambda') x2 (equation 7)."""
        return self.image_weight * x + (1.0 - self.image_weight) * self.shuffled(x)

    def shuffled(self, x: torch.Tensor) -> torch.Tensor:
        """The partners' entries of a batch."""
        return x[torch.from_numpy(self.partners).to(x.device)]


class MixUpTrainer(SupervisedTrainer):
    """MONAI's SupervisedTrainer with MixUp; events, handlers, accumulation and AMP on CUDA are unchanged.

    ``mixup="paired"`` is KNEEL's: with lambda ~ Beta(alpha, alpha), lambda' = max(lambda, 1 - lambda), x2 a shuffle of
    the minibatch x1 and x' = lambda' x1 + (1 - lambda') x2, the network sees x1 (output o1) and x' (output o') in two
    passes and

        loss = lambda L(p1, o1) + (1 - lambda) L(p2, o')                                         (equation 9).

    Two things in it are not the original mixup (Zhang et al. 2018), though the paper says it does not differ: the first
    term looks at the clean x1 instead of the mixed image, which costs a second pass; and the second term weighs p2 by
    1 - lambda while x' holds x2 with 1 - lambda', so for lambda < 1/2 the fainter image of the two has the greater part
    in the loss. Both are as printed.

    ``mixup="original"`` is one pass over x' with loss lambda' L(p1, o') + (1 - lambda') L(p2, o'), at half the cost.
    ``mixup="none"`` is plain training.

    The predictions in ``engine.state.output`` are o1 (paired), o' (original) or those of plain training. The random
    numbers are the trainer's own and part of its ``state_dict``, so a checkpoint that saves the trainer resumes them
    exactly. For mixed precision see :class:`~kneebundle.inferers.AutocastInferer`; ``amp=True`` works on CUDA only.

    Args:
        mixup: ``"paired"``, ``"original"`` or ``"none"``.
        mixup_alpha: alpha of the Beta distribution; KNEEL's best is 0.75.
        mixup_seed: seed of lambda and of the shuffling.
        args, kwargs: those of SupervisedTrainer.

    Raises:
        ValueError: for an unknown ``mixup``, an alpha that is not positive, or ``amp`` off CUDA.
    """

    def __init__(
        self, *args: Any, mixup: str = "paired", mixup_alpha: float = 0.75, mixup_seed: int = 0, **kwargs: Any
    ) -> None:
        if mixup not in MIXUPS:
            raise ValueError(f"mixup is one of {', '.join(MIXUPS)}, got {mixup!r}")
        if not mixup_alpha > 0:
            raise ValueError(f"mixup_alpha is positive, got {mixup_alpha}")
        super().__init__(*args, **kwargs)
        if self.amp and self.state.device.type != "cuda":
            raise ValueError(
                f"amp=True works on CUDA only, the device is {self.state.device}; use inferer=AutocastInferer() instead"
            )
        self.mixup = mixup
        self.mixup_alpha = float(mixup_alpha)
        self._random = np.random.default_rng(mixup_seed)
        self._mix: Mix | None = None
        self._mixed_pred: torch.Tensor | None = None
        self._infer, self._loss = self.inferer, self.loss_function
        if mixup != "none":
            self.inferer, self.loss_function = self._mixed_forward, self._mixed_loss  # type: ignore[assignment]

    def state_dict(self) -> OrderedDict:
        """Ignite's state of the engine, and that of the random numbers."""
        state = super().state_dict()
        state["mixup_random"] = self._random.bit_generator.state
        return state

    def load_state_dict(self, state_dict: Mapping) -> None:
        """Restore what :meth:`state_dict` gave; a state of a trainer without MixUp leaves the random numbers alone."""
        super().load_state_dict(state_dict)
        if "mixup_random" in state_dict:
            self._random.bit_generator.state = state_dict["mixup_random"]

    def _draw(self, batch_size: int) -> Mix:
        weight = float(self._random.beta(self.mixup_alpha, self.mixup_alpha))
        return Mix(weight, self._random.permutation(batch_size))

    def _mixed_forward(self, inputs: torch.Tensor, network: Callable, *args: Any, **kwargs: Any) -> torch.Tensor:
        images = _to_plain_tensor(inputs)
        self._mix = mix = self._draw(len(images))
        if self.mixup == "original":
            return self._infer(mix.images(images), network, *args, **kwargs)
        pred = self._infer(images, network, *args, **kwargs)
        self._mixed_pred = self._infer(mix.images(images), network, *args, **kwargs)
        return pred

    def _mixed_loss(self, pred: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        mix = self._mix
        if mix is None:
            raise RuntimeError("the loss of MixUp follows a forward pass")
        target = _to_plain_tensor(target)
        weight, other_pred = mix.weight, self._mixed_pred
        if other_pred is None:
            weight, other_pred = mix.image_weight, pred
        self._mix = self._mixed_pred = None
        first = self._loss(pred, target)
        second = self._loss(other_pred, mix.shuffled(target))
        return weight * first + (1.0 - weight) * second


def _to_plain_tensor(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.as_subclass(torch.Tensor)
