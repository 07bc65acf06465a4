"""Training and validation: how the records of a data set are split into folds, by subject and even in severity.

KNEEL section 4.3. Weights were trained on these folds: the same records give the same folds, whatever the version.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kneebundle.errors import KneeBundleError

__all__ = ["FOLD_SEED", "SPLITS", "check_split", "split_records", "subject_folds"]

FOLD_SEED = 0
"""Seed of every data set's folds."""

SPLITS = ("training", "validation")


def check_split(split: str, fold: int, folds: int) -> None:
    """Check the name of a split and the number of a fold.

    Args:
        split: ``"training"`` or ``"validation"``.
        fold: 0 to ``folds`` - 1, or -1.
        folds: number of folds.

    Raises:
        ValueError: for another split.
        KneeBundleError: if the fold does not exist.
    """
    if split not in SPLITS:
        raise ValueError(f"split is 'training' or 'validation', got {split!r}")
    if not -1 <= fold < folds:
        raise KneeBundleError(
            f"fold {fold} does not exist; choose 0 to {folds - 1}, or -1 to train on everything", field="fold"
        )


def split_records(
    records: Sequence[dict[str, Any]],
    split: str,
    fold: int,
    folds: int,
    numbers: Sequence[int] | None = None,
    path: str | Path | None = None,
) -> list[dict[str, Any]]:
    """Choose the records of one split of a data set.

    With a fold from 0 on, validation has that fold and training has the others. Fold -1 trains on everything;
    validation then has every ``folds``-th record, which training has seen, too, and the log says so.

    Args:
        records: with ``subject_id`` and, where it is known, ``kl``.
        split: ``"training"`` or ``"validation"``.
        fold: 0 to ``folds`` - 1, or -1.
        folds: number of folds.
        numbers: the fold of each record, where the data set says it; None: :func:`subject_folds` of the records.
        path: where the records come from, for the error message.

    Returns:
        The chosen records, in their order.

    Raises:
        ValueError: for another split.
        KneeBundleError: if the fold does not exist or leaves nothing for this split.

    Example:
        >>> from kneebundle.datasets import split_records
        >>> records = [{"subject_id": name} for name in "abcde"]
        >>> [len(split_records(records, split, fold=0, folds=5)) for split in ("training", "validation")]
        [4, 1]
        >>> [len(split_records(records, split, fold=-1, folds=5)) for split in ("training", "validation")]
        [5, 1]
    """
    check_split(split, fold, folds)
    if fold == -1:
        chosen = list(records) if split == "training" else _every(records, folds)
    else:
        if numbers is None:
            subjects, grades = [r["subject_id"] for r in records], [r.get("kl", 0) for r in records]
            numbers = subject_folds(subjects, grades, folds).tolist()
        apart = split == "validation"
        chosen = [r for r, number in zip(records, numbers, strict=True) if (number == fold) == apart]
    if not chosen:
        raise KneeBundleError(f"fold {fold} of {folds} leaves nothing for {split}; choose fewer folds", path, "folds")
    return chosen


def _every(records: Sequence[dict[str, Any]], step: int) -> list[dict[str, Any]]:
    """Choose every ``step``-th record for the validation of a training on all of them, and say so."""
    logging.getLogger(__name__).info(
        "fold -1: training on all %d; validation on every %s of them shows only that training goes on",
        len(records),
        {1: "one", 2: "2nd", 3: "3rd"}.get(step, f"{step}th"),
    )
    return list(records[::step])


def subject_folds(
    subject_ids: Sequence[object] | np.ndarray,
    kl: Sequence[int] | np.ndarray,
    folds: int = 5,
    seed: int = FOLD_SEED,
) -> np.ndarray:
    """Number the fold of each knee: a subject's knees share one, and each fold has its part of every KL grade.

    Where no grade has as many knees as there are folds, the folds are by subject alone.

    Args:
        subject_ids: (K,) who the knee belongs to.
        kl: (K,) Kellgren-Lawrence grades.
        folds: number of folds.
        seed: of the shuffling; the same input and seed give the same folds.

    Returns:
        (K,) int64, from 0 to ``folds`` - 1.

    Raises:
        KneeBundleError: if the two differ in length, a grade is missing, or there are fewer than two folds or more
            folds than subjects.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    subjects, grades = np.asarray(subject_ids).astype(str), np.asarray(kl, dtype=np.float64)
    if subjects.shape != grades.shape:
        raise KneeBundleError(f"got {subjects.size} subjects but {grades.size} KL grades; each knee needs both")
    if not np.isfinite(grades).all():
        raise KneeBundleError(f"{np.sum(~np.isfinite(grades))} knees have no KL grade; fill the column kl")
    people = len(np.unique(subjects))
    if not 2 <= folds <= people:
        raise KneeBundleError(
            f"cannot make {folds} folds of {people} subjects; choose a number from 2 to {people}", field="folds"
        )
    if np.unique(grades, return_counts=True)[1].max() < folds:
        grades = np.zeros_like(grades)  # too few of every grade to be even in severity
    splitter = StratifiedGroupKFold(n_splits=folds, shuffle=True, random_state=seed)
    numbers = np.full(len(subjects), -1, dtype=np.int64)
    for number, (_, held_out) in enumerate(splitter.split(grades, grades.astype(np.int64), subjects)):
        numbers[held_out] = number
    return numbers
