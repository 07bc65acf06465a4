"""Data sets of phantoms: the same phantom each time, and records that MONAI's caches can tell apart."""

from __future__ import annotations

import pickle
import subprocess
import sys

import numpy as np
import pytest
from monai.data.utils import pickle_hashing

from kneebundle.phantoms.collection import Phantoms, phantom_records
from kneebundle.phantoms.hand import PhantomHands
from kneebundle.phantoms.lateral import LateralKnees
from kneebundle.phantoms.pa import PhantomKnees


class Numbers(Phantoms[tuple[int, float]]):
    """Each index with a random number."""

    def draw(self, index: int, rng: np.random.Generator) -> tuple[int, float]:
        return index, float(rng.random())


def test_an_item_depends_on_seed_and_index_alone() -> None:
    numbers = Numbers(5, seed=3)
    assert numbers[2] == numbers[-3] == Numbers(9, seed=3)[2] == (2, np.random.default_rng([3, 2]).random())
    assert numbers[2][1] not in (numbers[1][1], Numbers(5, seed=4)[2][1])
    assert numbers[1:4] == [numbers[1], numbers[2], numbers[3]]
    assert [index for index, _ in numbers] == [0, 1, 2, 3, 4]
    with pytest.raises(IndexError):
        numbers[5]


def test_validation_has_other_phantoms_than_training_and_a_quarter_as_many() -> None:
    train, validation = (phantom_records(Numbers, split, 9) for split in ("training", "validation"))
    assert [record["index"] for record in train] == list(range(9))
    assert [record["index"] for record in validation] == [1_000_000, 1_000_001]
    assert validation[1]["drawn"][1_000_001] == (1_000_001, np.random.default_rng([0, 1_000_001]).random())
    assert len(phantom_records(Numbers, "validation", 2)) == 1


PRINT_HASH = """
from monai.data.utils import pickle_hashing
from kneebundle.phantoms import phantom_records
from kneebundle.phantoms.lateral import LateralKnees
print(pickle_hashing(phantom_records(lambda count: LateralKnees(count, 3), "training", 8)[5]).decode())
"""


def test_a_record_has_the_same_hash_in_another_process() -> None:
    record = phantom_records(lambda count: LateralKnees(count, 3), "training", 8)[5]
    other = subprocess.run(
        [sys.executable, "-c", PRINT_HASH], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "7"}
    )
    assert other.stdout.split()[-1] == pickle_hashing(record).decode()


def test_records_are_small_and_those_of_other_phantoms_have_other_hashes() -> None:
    collections = [
        phantom_records(PhantomKnees, "training", 4),
        phantom_records(lambda count: PhantomKnees(count, seed=1), "training", 4),
        phantom_records(lambda count: PhantomKnees(count, spacing_mm=0.5), "training", 4),
        phantom_records(PhantomHands, "training", 4),
        phantom_records(LateralKnees, "training", 4),
    ]
    records = [record for collection in collections for record in collection]
    assert all(len(pickle.dumps(record)) < 300 for record in records)
    assert len({pickle_hashing(record) for record in records}) == len(records)
