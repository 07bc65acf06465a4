"""Films made of single knees: the same ones each time, the joint in each half, others for validation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kneebundle.datasets import LoadHalfFilmd, read_knees
from kneebundle.errors import KneeBundleError
from kneebundle.io.tables import write_table
from kneebundle.phantoms.pa import BilateralFilms, PhantomKnees, synthesize_knees
from kneebundle.training.made_films import KneeImages, knee_images, made_film_records
from kneebundle.training.records import half_film_records
from kneebundle.transforms.points import world_to_normalized
from kneebundle.transforms.roi import CropROId


def test_each_half_of_a_made_film_holds_its_joint() -> None:
    records = half_film_records("", "validation", film_count=8)
    assert [r["side"] for r in records] == ["R", "L", "R", "L"]
    load = LoadHalfFilmd()
    right, left = (load(record) for record in records[:2])
    for half in (right, left):
        inside = world_to_normalized(half["landmarks"], half["image"])
        assert bool(((inside > 0) & (inside < 1)).all())
        region = CropROId("image", size_mm=(384.0, 256.0), spacing_mm=1.0)(half)["image"]
        assert region.shape == (1, 384, 256)
        again = world_to_normalized(half["landmarks"], region)
        assert bool(((again > 0) & (again < 1)).all())
    assert float(right["landmarks"][0, 0]) < float(left["landmarks"][0, 0])
    assert (right["first_landmark"], left["first_landmark"]) == (0, 1)


@pytest.mark.parametrize(("split", "count", "seed"), [("training", 4, 7), ("validation", 1, 7 + 1_000_003)])
def test_films_are_those_of_the_split_and_the_seed(split: str, count: int, seed: int) -> None:
    """Training and validation are made of other knees and with other random numbers."""
    records = half_film_records("", split, film_count=4, seed=7)
    assert [(r["index"], r["side"]) for r in records] == [(i, side) for i in range(count) for side in "RL"]
    films = BilateralFilms(knee_images("", split, seed=7), count, seed, inverted=0.05)
    film, truth = films[0]
    loaded = LoadHalfFilmd()(records[0])
    np.testing.assert_array_equal(loaded["image"][0], film.pixels[:, : loaded["image"].shape[2]])
    np.testing.assert_allclose(loaded["landmarks"][0], truth.centers_px["R"])


def test_phantom_knees_of_training_and_validation_are_others() -> None:
    train, validation = (knee_images("", split, seed=2) for split in ("training", "validation"))
    assert (len(train), len(validation)) == (40, 10)
    phantoms = PhantomKnees(1_000_010, 2, size_mm=110.0)
    for knees, first in ((train, 0), (validation, 1_000_000)):
        radiograph, landmarks, _ = phantoms[first + 3]
        knee = knees[3]
        np.testing.assert_array_equal(knee.pixels, radiograph.pixels)
        np.testing.assert_array_equal(knee.landmarks_px, landmarks.points)
        assert (knee.side, knee.spacing_mm) == ("L", 0.3) and knees.sides[:4] == ["R", "L", "R", "L"]


def test_real_knees_are_turned_bone_bright(tmp_path: Path) -> None:
    synthesize_knees(tmp_path, 4, size_mm=90, spacing_mm=1.0, inverted_every=2)
    knees = KneeImages(read_knees(tmp_path, "training", fold=-1, folds=2))
    assert knees.sides == ["R", "L", "R", "L"] == [knee.side for knee in knees]
    plain = PhantomKnees(4, size_mm=90, spacing_mm=1.0)
    for knee, (radiograph, landmarks, _) in zip(knees, plain, strict=True):
        assert np.corrcoef(knee.pixels.ravel(), radiograph.pixels.ravel())[0, 1] > 0.99
        np.testing.assert_allclose(knee.landmarks_px, landmarks.points, atol=0.006)


def test_folds_of_made_films_are_those_of_the_knees(tmp_path: Path) -> None:
    synthesize_knees(tmp_path, 6, size_mm=90, spacing_mm=1.0)
    for split in ("training", "validation"):
        films = made_film_records(str(tmp_path), split, fold=1, folds=3, film_count=4)[0]["drawn"]
        assert [r["image"] for r in films.knees.records] == [r["image"] for r in read_knees(tmp_path, split, 1, 3)]


def test_prepared_halves_are_taken_as_they_are(tmp_path: Path) -> None:
    columns = ["image", "subject_id", "side", "kl", "spacing_mm", "x0", "y0"]
    write_table(tmp_path / "landmarks.csv", columns, [[f"{i}.png", i, "R", 0, 1.0, 5 + i, 6] for i in range(5)])
    (record,) = half_film_records(str(tmp_path), "validation", fold=-1)
    assert (Path(record["image"]).name, record["center_px"]) == ("0.png", (5.0, 6.0))


def test_a_folder_without_knees_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(KneeBundleError, match=r"landmarks\.csv"):
        half_film_records(str(tmp_path), "training")
