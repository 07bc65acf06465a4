"""MONAI's learning rate schedule, for trainings that are resumed to go on for longer."""

from __future__ import annotations

from typing import Any

from monai.optimizers import WarmupCosineSchedule

__all__ = ["ResumableCosineSchedule"]

_LENGTHS = ("t_total", "warmup_steps")


class ResumableCosineSchedule(WarmupCosineSchedule):
    """MONAI's WarmupCosineSchedule, same arguments, whose length is that of the training that goes on.

    MONAI's takes its length from the checkpoint. Resumed with more epochs than the first training was given, the rate would
    rise again after the old end.
    """

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over where the schedule stood, but not how long it was to be."""
        super().load_state_dict({key: value for key, value in state_dict.items() if key not in _LENGTHS})
