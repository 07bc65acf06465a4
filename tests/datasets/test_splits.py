"""Splits: folds keep a subject's knees together and the grades even, always the same; fold -1 trains on everything."""

from __future__ import annotations

import csv
import logging
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kneebundle.datasets.knees import read_knees
from kneebundle.datasets.splits import check_split, split_records, subject_folds
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


def test_the_folds_are_those_that_the_shipped_weights_were_trained_on(shared_data: Path) -> None:
    held_out = [read_knees(shared_data / "oai_knees", "validation", fold) for fold in range(5)]
    names = [" ".join(Path(record["image"]).name for record in records) for records in held_out]
    assert [len(records) for records in held_out] == [101, 100, 100, 100, 99]
    assert [zlib.crc32(text.encode()) for text in names] == [
        1488930915,
        2724107703,
        2651239384,
        2895501438,
        2119186314,
    ]


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
def test_what_cannot_be_split_is_an_error(subjects: list, kl: list, folds: int, reason: str) -> None:
    with pytest.raises(KneeBundleError, match=reason):
        subject_folds(subjects, kl, folds)


def test_a_handful_of_knees_is_split_by_subject_alone() -> None:
    folds = subject_folds(["a", "a", "b", "c", "d", "e"], [0, 1, 2, 3, 4, 0], folds=5)
    assert sorted(set(folds)) == [0, 1, 2, 3, 4]
    assert folds[0] == folds[1]


def made_records(count: int = 12) -> list[dict[str, Any]]:
    return [{"subject_id": f"S{i // 2}", "kl": i % 5, "place": i} for i in range(count)]


def places(records: list[dict[str, Any]]) -> list[int]:
    return [record["place"] for record in records]


def test_validation_has_one_fold_and_training_the_others_in_their_order() -> None:
    records = made_records()
    numbers = subject_folds([r["subject_id"] for r in records], [r["kl"] for r in records], folds=3)
    for fold in range(3):
        train, validation = (split_records(records, split, fold, 3) for split in ("training", "validation"))
        assert places(validation) == np.flatnonzero(numbers == fold).tolist()
        assert places(train) == np.flatnonzero(numbers != fold).tolist()


def test_folds_that_the_data_set_states_are_used() -> None:
    numbers = [0, 1, 2, 0, 1, 2]
    assert places(split_records(made_records(6), "validation", 1, 3, numbers)) == [1, 4]
    assert places(split_records(made_records(6), "training", 1, 3, numbers)) == [0, 2, 3, 5]


def test_fold_minus_1_trains_on_everything_and_validates_on_every_fifth_and_says_so_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    assert places(split_records(made_records(), "training", -1, 5)) == list(range(12))
    assert places(split_records(made_records(), "validation", -1, 5)) == [0, 5, 10]
    assert [record.getMessage() for record in caplog.records] == [
        "fold -1: training on all 12; validation on every 5th of them shows only that training goes on"
    ]


def test_a_split_or_fold_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(ValueError, match="'training' or 'validation', got 'test'"):
        check_split("test", 0, 5)
    for fold in (-2, 5):
        with pytest.raises(KneeBundleError, match=f"fold {fold} does not exist; choose 0 to 4") as caught:
            split_records(made_records(), "training", fold, 5)
        assert caught.value.field == "fold"


def test_a_fold_without_anything_is_an_error_with_the_path() -> None:
    with pytest.raises(KneeBundleError, match=r"data\.csv: fold 2 of 3 leaves nothing for validation") as caught:
        split_records(made_records(2), "validation", 2, 3, [0, 1], "data.csv")
    assert caught.value.field == "folds"
