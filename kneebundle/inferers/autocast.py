"""Mixed precision on every device, for trainers and evaluators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from monai.inferers import SimpleInferer

from kneebundle.errors import KneeBundleError
from kneebundle.inferers.precision import PRECISIONS, resolve_precision

__all__ = ["AutocastInferer", "needs_scaler"]

_MEMORY_FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
_DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}


class AutocastInferer(SimpleInferer):
    """Forward pass under autocast, on whatever device the input is.

    ``amp=True`` of MONAI is ``torch.autocast("cuda")`` with a gradient scaler: on a CPU it only warns. bfloat16 needs
    no scaler, only autocast around the forward pass. Give this as the ``inferer`` of a trainer or evaluator and leave
    ``amp`` off; the loss is then taken in float32. float16 needs the scaler to train: give the trainer
    ``amp=needs_scaler(dtype, device)`` and ``amp_kwargs={"enabled": False}``, so that the trainer only scales.

    Args:
        dtype: ``"auto"`` (what the device of the input is fastest in, see
            :func:`~kneebundle.inferers.resolve_precision`), ``"bfloat16"``, ``"float16"``, ``"float32"`` or None, which
            is float32 too.
        memory_format: ``"contiguous"`` or ``"channels_last"``, or the constant of torch, for the input; convert the
            network to the same with ``network.to(memory_format=torch.channels_last)``.

    Raises:
        ValueError: for another ``dtype`` or ``memory_format``.

    Example:
        >>> import torch
        >>> AutocastInferer("bfloat16")(torch.zeros(1, 1, 8, 8), torch.nn.Conv2d(1, 2, 3)).dtype
        torch.bfloat16
    """

    def __init__(self, dtype: str | None = "auto", memory_format: str | torch.memory_format = "contiguous") -> None:
        super().__init__()
        if dtype is not None and dtype not in PRECISIONS:
            raise ValueError(f"dtype is one of {', '.join(PRECISIONS)} or None, got {dtype!r}")
        if memory_format not in (*_MEMORY_FORMATS, *_MEMORY_FORMATS.values()):
            raise ValueError(f"memory_format is 'contiguous' or 'channels_last', got {memory_format!r}")
        self.precision = dtype
        self.memory_format = _MEMORY_FORMATS[memory_format] if isinstance(memory_format, str) else memory_format

    def __call__(
        self, inputs: torch.Tensor, network: Callable[..., torch.Tensor], *args: Any, **kwargs: Any
    ) -> torch.Tensor:
        """Run the network on ``inputs`` (B, C, H, W); gives a plain tensor."""
        plain = inputs.as_subclass(torch.Tensor)
        plain = plain.contiguous(memory_format=self.memory_format)
        precision = resolve_precision(self.precision, plain.device)
        with torch.autocast(plain.device.type, _DTYPES.get(precision or ""), enabled=precision is not None):
            return network(plain, *args, **kwargs)


def needs_scaler(precision: str | None, device: torch.device) -> bool:
    """Whether training in ``precision`` needs a gradient scaler, without which gradients vanish: only float16 does.

    Raises:
        KneeBundleError: for float16 on a CPU, where nothing would be gained.
    """
    if resolve_precision(precision, device) != "float16":
        return False
    if device.type != "cuda":
        raise KneeBundleError(
            f"float16 is for training on CUDA, the device is {device}; set precision to auto, bfloat16 or float32",
            field="precision",
        )
    return True
