"""Folds for cross-validation: by subject, even in severity (KNEEL section 4.3)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kneebundle.errors import KneeBundleError

__all__ = ["subject_folds"]


def subject_folds(
    subject_ids: Sequence[object] | np.ndarray, kl: Sequence[int] | np.ndarray, folds: int = 5, seed: int = 0
) -> np.ndarray:
    """Number the fold of each knee: a subject's knees share one, and each fold has its part of every KL grade.

    Args:
        subject_ids: (K,) who the knee belongs to.
        kl: (K,) Kellgren-Lawrence grades.
        folds: how many.
        seed: of the shuffling; the same input and seed give the same folds.

    Returns:
        (K,) int64, from 0 to folds - 1.

    Raises:
        KneeBundleError: if the two differ in length, a grade is missing, or there are fewer than two folds or more
            folds than subjects.

    Where no grade has as many knees as there are folds, the folds are by subject alone.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    subjects, grades = np.asarray(subject_ids).astype(str), np.asarray(kl, dtype=np.float64)
    if subjects.shape != grades.shape:
        raise KneeBundleError(f"got {subjects.size} subjects but {grades.size} KL grades; each knee needs both")
    if not np.isfinite(grades).all():
        raise KneeBundleError(f"{np.sum(~np.isfinite(grades))} knees have no KL grade; fill the column kl")
    people = len(np.unique(subjects))
    if not 2 <= folds <= people:
        raise KneeBundleError(f"cannot make {folds} folds of {people} subjects; choose a number from 2 to {people}")
    if np.unique(grades, return_counts=True)[1].max() < folds:
        grades = np.zeros_like(grades)  # too few of every grade to be even in severity
    splitter = StratifiedGroupKFold(n_splits=folds, shuffle=True, random_state=seed)
    numbers = np.full(len(subjects), -1, dtype=np.int64)
    for number, (_, held_out) in enumerate(splitter.split(grades, grades.astype(np.int64), subjects)):
        numbers[held_out] = number
    return numbers
