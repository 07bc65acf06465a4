"""Smaller training sets, each part of the next larger one, for learning curves (Payer et al. 2019, Figure 2 b)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kneebundle.errors import KneeBundleError

__all__ = ["training_subset"]


def training_subset(records: Sequence[dict[str, Any]], count: int = 0, seed: int = 0) -> list[dict[str, Any]]:
    """Choose some of the knees for training, repeated until there are as many as before.

    The knees are put into an order in which each KL grade is spread evenly and a subject's knees follow one another,
    and the first ``count`` are taken: a smaller set is part of every larger one, and each has about the same share of
    every grade. Repeating them keeps the length of an epoch, so that trainings of as many epochs make as many steps
    however few knees they see.

    Args:
        records: as :func:`kneebundle.training.knee_records` gives them.
        count: number of knees; 0: all of them.
        seed: of the order.

    Returns:
        As many records as there were.

    Raises:
        KneeBundleError: if there are fewer knees.

    Example:
        >>> from kneebundle.datasets import training_subset
        >>> knees = [{"subject_id": name, "kl": 0} for name in "abcdef"]
        >>> chosen = training_subset(knees, 2)
        >>> len(chosen), len({knee["subject_id"] for knee in chosen})
        (6, 2)
    """
    if not 0 <= count <= len(records):
        raise KneeBundleError(
            f"there are {len(records)} knees to train on, got {count}; choose 1 to that, or 0 for all"
        )
    if count == 0:
        return list(records)
    subjects = [str(record.get("subject_id", number)) for number, record in enumerate(records)]
    order = _order_evenly(subjects, [int(record.get("kl", 0)) for record in records], seed)[:count]
    return [records[order[i % count]] for i in range(len(records))]


def _order_evenly(subjects: Sequence[str], grades: Sequence[int], seed: int) -> list[int]:
    """Order the places of the knees, subject by subject; a subject counts as the worst of its knees."""
    worst: dict[str, int] = {}
    for subject, grade in zip(subjects, grades, strict=True):
        worst[subject] = max(grade, worst.get(subject, grade))
    random = np.random.default_rng(seed)
    place: dict[str, float] = {}
    for grade in sorted(set(worst.values())):
        members = sorted(subject for subject in worst if worst[subject] == grade)
        for rank, member in enumerate(random.permutation(len(members))):
            place[members[member]] = (rank + random.random()) / len(members)
    return sorted(range(len(subjects)), key=lambda i: (place[subjects[i]], subjects[i], i))
