"""Training and validation: what all data sets ask of a section, and the phantoms that stand in where there is no data."""

from __future__ import annotations

from typing import Any

from kneebundle.errors import KneeBundleError

__all__ = ["is_training", "phantom_records"]

_FIRST_IN_VALIDATION = 1_000_000


def is_training(section: str, fold: int, folds: int) -> bool:
    """Whether a section is that for training.

    Args:
        section: ``"training"`` or ``"validation"``.
        fold: the one kept apart, or -1.
        folds: their number.

    Raises:
        ValueError: on another section.
        KneeBundleError: if the fold does not exist.
    """
    if section not in ("training", "validation"):
        raise ValueError(f"section is 'training' or 'validation', got {section!r}")
    if not -1 <= fold < folds:
        raise KneeBundleError(f"fold {fold} does not exist; choose 0 to {folds - 1}, or -1 to train on everything")
    return section == "training"


def phantom_records(train: bool, phantom_size: int, seed: int) -> list[dict[str, Any]]:
    """Numbers of phantoms to draw: ``phantom_size`` for training, others and a quarter as many, at least one, for validation."""
    first, count = (0, phantom_size) if train else (_FIRST_IN_VALIDATION, max(1, phantom_size // 4))
    return [{"phantom": first + i, "seed": seed} for i in range(count)]
