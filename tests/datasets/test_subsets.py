"""Smaller training sets: nested, even in severity, and epochs as long as with all knees."""

import numpy as np
import pytest

from kneebundle.datasets.subsets import training_subset
from kneebundle.errors import KneeBundleError


def made_records(count: int = 200) -> list[dict]:
    random = np.random.default_rng(0)
    subjects = np.repeat(np.arange(count), random.integers(1, 3, count))[:count]
    return [
        {"image": f"{i}.png", "subject_id": f"S{s}", "kl": int(random.integers(0, 5))} for i, s in enumerate(subjects)
    ]


def names(records: list[dict]) -> set[str]:
    return {record["image"] for record in records}


def test_a_smaller_set_is_part_of_every_larger_one_and_an_epoch_stays_as_long() -> None:
    records = made_records()
    sets = [training_subset(records, count, seed=3) for count in (10, 50, 100)]
    assert [len(names(chosen)) for chosen in sets] == [10, 50, 100]
    assert names(sets[0]) < names(sets[1]) < names(sets[2])
    for chosen in sets:
        assert len(chosen) == len(records)
        times = np.unique([record["image"] for record in chosen], return_counts=True)[1]
        assert times.max() - times.min() <= 1, "every knee is seen equally often"
    assert names(sets[0]) != names(training_subset(records, 10, seed=4))
    assert training_subset(records) == records


def test_every_grade_has_its_share_and_a_subjects_knees_stay_together() -> None:
    records = made_records()
    share = {grade: np.mean([r["kl"] == grade for r in records]) for grade in range(5)}
    chosen = list({r["image"]: r for r in training_subset(records, 50)}.values())
    for grade, wanted in share.items():
        assert np.mean([r["kl"] == grade for r in chosen]) == pytest.approx(wanted, abs=0.1)
    halves = {r["subject_id"] for r in records if r not in chosen} & {r["subject_id"] for r in chosen}
    assert len(halves) <= 1, "only the last subject may be cut in two"


def test_more_knees_than_there_are_is_an_error() -> None:
    with pytest.raises(KneeBundleError, match="200 knees"):
        training_subset(made_records(), 201)
    with pytest.raises(KneeBundleError, match="0 for all"):
        training_subset(made_records(), -1)


def test_phantoms_have_no_subjects() -> None:
    chosen = training_subset([{"drawn": "phantoms", "index": i} for i in range(6)], 2)
    assert len({record["index"] for record in chosen}) == 2
