"""Half films: where the joint is, which half is whose, prepared halves, whole films for inference."""

import csv
from pathlib import Path

import numpy as np
import pytest

from kneebundle.datasets.films import LoadHalfFilmd, film_halves, half_film_records
from kneebundle.errors import KneeBundleError
from kneebundle.io.dicom_writing import write_dicom
from kneebundle.transforms.halves import film_half
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


def test_training_and_validation_films_differ() -> None:
    train, validation = (half_film_records("", s, film_count=4)[0] for s in ("training", "validation"))
    first, second = (LoadHalfFilmd()(r)["image"].numpy() for r in (train, validation))
    assert first.shape != second.shape or not np.array_equal(first, second)


@pytest.mark.parametrize("columns", [40, 41])
def test_halves_cover_the_film_and_keep_their_place(columns: int) -> None:
    from kneebundle.radiograph import Radiograph

    image = Radiograph(np.arange(20.0 * columns).reshape(20, columns), (0.5, 0.25)).to_metatensor()
    right, left = film_half(image, "R"), film_half(image, "L")
    assert right.shape[2] + left.shape[2] == columns
    assert np.asarray(right.affine)[1, 3] == 0
    assert np.asarray(left.affine)[1, 3] == right.shape[2] * 0.25
    np.testing.assert_array_equal(left[0, :, 0], image[0, :, right.shape[2]])


def test_prepared_halves_are_read_with_their_centre(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    rows = []
    for number in range(10):
        name = f"{number}.dcm"
        write_dicom(tmp_path / "images" / name, np.random.default_rng(number).integers(0, 4000, (60, 50)), (1.0, 1.0))
        rows.append([name, number, "RL"[number % 2], number % 2, 1.0, 20 + number, 30])
    with (tmp_path / "landmarks.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["image", "subject_id", "side", "kl", "spacing_mm", "x0", "y0"], *rows])
    train, held_out = (half_film_records(str(tmp_path), s) for s in ("training", "validation"))
    assert len(train) == 8 and len(held_out) == 2
    half = LoadHalfFilmd()(held_out[0])
    number = int(Path(held_out[0]["image"]).stem)
    assert half["landmarks"].tolist() == [[20.0 + number, 30.0]]


def test_whole_films_give_two_halves(tmp_path: Path) -> None:
    write_dicom(tmp_path / "film", np.random.default_rng(0).integers(0, 4000, (300, 400)), (1.0, 1.0))
    records = film_halves(str(tmp_path))
    right, left = (LoadHalfFilmd()(record) for record in records)
    assert right["image"].shape == left["image"].shape == (1, 300, 200)
    assert "landmarks" not in right
    assert left["center_mm"] == pytest.approx([299.5, 149.5])


def test_no_knees_no_films(tmp_path: Path) -> None:
    with pytest.raises(KneeBundleError):
        half_film_records(str(tmp_path), "training")
