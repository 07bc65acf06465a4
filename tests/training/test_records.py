"""What a training is given: a data set's records, or phantoms, the same ones each time and others for validation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from kneebundle.datasets import LoadHandd, LoadKneed, LoadLaterald, read_hands, read_knees, read_lateral_films
from kneebundle.errors import KneeBundleError
from kneebundle.phantoms.hand import draw_hand
from kneebundle.phantoms.lateral import LateralKnees, draw_lateral_knee, synthesize_lateral
from kneebundle.phantoms.pa import draw_knee, synthesize_knees
from kneebundle.training.records import half_film_records, hand_records, knee_records, lateral_records

Records = Callable[..., list[dict[str, Any]]]


@pytest.mark.parametrize("make", [knee_records, hand_records, lateral_records])
def test_without_data_there_are_phantoms_and_other_ones_for_validation(make: Records) -> None:
    train, validation = (make("", split, 0, 3, 8, 4) for split in ("training", "validation"))
    assert [record["index"] for record in train] == list(range(8))
    assert [record["index"] for record in validation] == [1_000_000, 1_000_001]
    assert {record["drawn"].seed for record in (*train, *validation)} == {4}


def test_phantoms_are_those_of_seed_and_index() -> None:
    knee, knee_points = draw_knee(np.random.default_rng([4, 1_000_001]), side="L", kl=0)
    loaded = LoadKneed()(knee_records("", "validation", phantom_size=8, seed=4)[1])
    np.testing.assert_array_equal(loaded["image"][0], knee.pixels)
    np.testing.assert_allclose(loaded["landmarks"], knee_points.points * 0.3)

    hand, hand_points = draw_hand(np.random.default_rng([4, 2]))
    loaded = LoadHandd()(hand_records("", "training", phantom_size=8, seed=4)[2])
    np.testing.assert_array_equal(loaded["image"][0], hand.pixels)
    np.testing.assert_allclose(loaded["landmarks"], hand_points.points * 0.6)

    film = draw_lateral_knee(np.random.default_rng([4, 3]))
    loaded = LoadLaterald()(lateral_records("", "training", phantom_size=8, seed=4)[3])
    np.testing.assert_array_equal(loaded["image"][0], film.image)
    np.testing.assert_array_equal(loaded["masks"], film.masks)


@pytest.mark.parametrize("make", [knee_records, hand_records, lateral_records, half_film_records])
@pytest.mark.parametrize("dataset_dir", ["", "nowhere"])
def test_a_split_or_fold_that_does_not_exist_is_an_error(make: Records, dataset_dir: str) -> None:
    with pytest.raises(ValueError, match="got 'test'"):
        make(dataset_dir, "test")
    with pytest.raises(KneeBundleError, match="fold 5 does not exist"):
        make(dataset_dir, "training", 5, 5)


def test_with_data_the_records_are_those_of_the_data_set(tmp_path: Path) -> None:
    synthesize_knees(tmp_path / "knees", 6, size_mm=90, spacing_mm=1.0)
    synthesize_lateral(tmp_path / "films", 4, size_px=128)
    for split in ("training", "validation"):
        for fold in (-1, 0):
            knees, expected = (
                knee_records(str(tmp_path / "knees"), split, fold, 3),
                read_knees(tmp_path / "knees", split, fold, 3),
            )
            assert [r["image"] for r in knees] == [r["image"] for r in expected]
            films, expected = (
                lateral_records(str(tmp_path / "films"), split, fold, 2),
                read_lateral_films(tmp_path / "films", split, fold, 2),
            )
            assert [r["image"] for r in films] == [r["image"] for r in expected]
    assert LateralKnees(1).size_px == 256


@pytest.fixture
def hands(tmp_path: Path) -> Path:
    """Four images of 60 x 80 pixels with labels."""
    (tmp_path / "images").mkdir()
    lines = []
    for name in ("11", "22", "33", "44"):
        Image.fromarray(np.full((60, 80), int(name), dtype=np.uint8)).save(tmp_path / "images" / f"{name}.png")
        points = np.random.default_rng(int(name)).uniform(5, 55, (37, 2)).round(2)
        points[[0, 4]] = (10, 50), (50, 50)
        lines.append(",".join([name, *map(str, points.ravel())]))
    (tmp_path / "landmarks_px.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


def test_an_epoch_repeats_the_hands_and_mixes_phantoms_in(hands: Path) -> None:
    records = hand_records(str(hands), "training", fold=-1, epoch_size=20, phantom_share=0.25, seed=3)
    assert [r.get("id") for r in records] == [*["11", "22", "33", "44"] * 3, "11", "22", "33", *[None] * 5]
    assert [(r["drawn"].seed, r["index"]) for r in records[15:]] == [(3, i) for i in range(5)]


def test_an_epoch_has_every_hand_however_short_it_is_to_be(hands: Path) -> None:
    records = hand_records(str(hands), "training", fold=-1, epoch_size=2, phantom_share=0.0)
    assert [r["id"] for r in records] == ["11", "22", "33", "44"]


def test_validation_has_the_real_hands_once(hands: Path) -> None:
    for fold in (-1, 0):
        records = hand_records(str(hands), "validation", fold, epoch_size=20, phantom_share=0.25)
        assert [r["id"] for r in records] == [r["id"] for r in read_hands(hands, "validation", fold)]
