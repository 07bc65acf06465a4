"""MONAI's learning rate schedule, for trainings that are resumed with more epochs."""

from __future__ import annotations

from typing import Any

from monai.optimizers import WarmupCosineSchedule

__all__ = ["ResumableCosineSchedule"]

_LENGTHS = ("t_total", "warmup_steps")


class ResumableCosineSchedule(WarmupCosineSchedule):
    """MONAI's WarmupCosineSchedule, same arguments, whose length is that of the resumed training.

    MONAI's takes its length from the checkpoint. Resumed with more epochs than the first training was given, the rate
    would rise again after the old end.

    Example:
        >>> import torch
        >>> from kneebundle.training import ResumableCosineSchedule
        >>> optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
        >>> schedule = ResumableCosineSchedule(optimizer, warmup_steps=2, t_total=10)
        >>> schedule.load_state_dict({**schedule.state_dict(), "t_total": 4})
        >>> schedule.t_total
        10
    """

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over where the schedule stood, but not how long it was to be."""
        super().load_state_dict({key: value for key, value in state_dict.items() if key not in _LENGTHS})
