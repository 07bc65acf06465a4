"""Folds keep a subject's knees together and the grades even."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from kneebundle.datasets.folds import subject_folds
from kneebundle.errors import KneeBundleError


def made_subjects(count: int = 200) -> tuple[list[str], np.ndarray]:
    random = np.random.default_rng(0)
    knees = random.integers(1, 3, count)
    subjects = [f"S{subject}" for subject, number in enumerate(knees) for _ in range(number)]
    return subjects, random.integers(0, 5, len(subjects))


def check(subjects: list[str], kl: np.ndarray, folds: np.ndarray) -> None:
    assert len(set(zip(subjects, folds.tolist(), strict=True))) == len(set(subjects))
    assert sorted(set(folds.tolist())) == [0, 1, 2, 3, 4]
    sizes = np.bincount(folds)
    assert sizes.max() - sizes.min() <= 0.1 * sizes.mean()
    for grade in np.unique(kl):
        share = np.array([np.mean(kl[folds == fold] == grade) for fold in range(5)])
        assert abs(share - np.mean(kl == grade)).max() < 0.04


def test_no_subject_is_in_two_folds_and_each_grade_is_spread_evenly() -> None:
    subjects, kl = made_subjects()
    check(subjects, kl, subject_folds(subjects, kl))


def test_the_same_holds_for_the_real_knees(shared_data: Path) -> None:
    with (shared_data / "oai_knees" / "landmarks.csv").open() as file:
        rows = list(csv.DictReader(file))
    subjects, kl = [row["subject_id"] for row in rows], np.array([int(row["kl"]) for row in rows])
    check(subjects, kl, subject_folds(subjects, kl))


def test_the_seed_decides() -> None:
    subjects, kl = made_subjects()
    first, again, other = (subject_folds(subjects, kl, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("subjects", "kl", "folds", "reason"),
    [
        (["a", "b"], [0], 2, "2 subjects but 1 KL grades"),
        (["a", "b"], [0, np.nan], 2, "1 knees have no KL grade"),
        (["a", "a", "b"], [0, 1, 1], 3, "3 folds of 2 subjects"),
        (["a", "b"], [0, 0], 1, "1 folds"),
    ],
)
def test_what_cannot_be_split_is_refused(subjects: list, kl: list, folds: int, reason: str) -> None:
    with pytest.raises(KneeBundleError, match=reason):
        subject_folds(subjects, kl, folds)


def test_a_handful_of_knees_is_split_by_subject_alone() -> None:
    folds = subject_folds(["a", "a", "b", "c", "d", "e"], [0, 1, 2, 3, 4, 0], folds=5)
    assert sorted(set(folds)) == [0, 1, 2, 3, 4]
    assert folds[0] == folds[1]
