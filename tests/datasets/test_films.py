"""Halves of bilateral films: prepared ones, and whole films for inference."""

from pathlib import Path

import numpy as np
import pytest

from kneebundle.datasets.films import LoadHalfFilmd, film_halves, holds_film_halves, read_film_halves
from kneebundle.io.dicom_writing import write_dicom
from kneebundle.io.reading import read_radiograph
from kneebundle.io.tables import write_table


def write_halves(folder: Path, count: int = 10) -> Path:
    """Halves of 60 x 50 pixels, the joint of number n at (20 + n, 30)."""
    (folder / "images").mkdir()
    rows = []
    for number in range(count):
        name = f"{number}.dcm"
        write_dicom(folder / "images" / name, np.random.default_rng(number).integers(0, 4000, (60, 50)), (1.0, 1.0))
        rows.append([name, number, "RL"[number % 2], number % 2, 1.0, 20 + number, 30])
    columns = ["image", "subject_id", "side", "kl", "spacing_mm", "x0", "y0"]
    write_table(folder / "landmarks.csv", columns, rows)
    return folder


def test_prepared_halves_are_read_with_their_centre(tmp_path: Path) -> None:
    folder = write_halves(tmp_path)
    assert holds_film_halves(folder)
    train, held_out = (read_film_halves(folder, split) for split in ("training", "validation"))
    assert len(train) == 8 and len(held_out) == 2
    assert not {r["image"] for r in train} & {r["image"] for r in held_out}
    half = LoadHalfFilmd()(held_out[0])
    number = int(Path(held_out[0]["image"]).stem)
    assert half["landmarks"].tolist() == [[20.0 + number, 30.0]]


def test_fold_minus_1_trains_on_every_half_and_validates_on_every_fifth(tmp_path: Path) -> None:
    folder = write_halves(tmp_path)
    train, validation = (read_film_halves(folder, split, fold=-1) for split in ("training", "validation"))
    assert [Path(r["image"]).stem for r in train] == [str(number) for number in range(10)]
    assert [Path(r["image"]).stem for r in validation] == ["0", "5"]


def test_a_table_of_whole_knees_holds_no_halves(tmp_path: Path) -> None:
    assert not holds_film_halves(tmp_path)
    write_table(tmp_path / "landmarks.csv", ["image", "x0", "y0", "x1", "y1"], [["a.png", 1, 2, 3, 4]])
    assert not holds_film_halves(tmp_path)


def test_whole_films_give_two_halves(tmp_path: Path) -> None:
    write_dicom(tmp_path / "film", np.random.default_rng(0).integers(0, 4000, (300, 400)), (1.0, 1.0))
    records = film_halves(str(tmp_path))
    right, left = (LoadHalfFilmd()(record) for record in records)
    whole = read_radiograph(tmp_path / "film").pixels
    np.testing.assert_array_equal(right["image"][0], whole[:, :200])
    np.testing.assert_array_equal(left["image"][0], whole[:, 200:])
    assert "landmarks" not in right and (right["first_landmark"], left["first_landmark"]) == (0, 1)
    assert left["center_mm"] == pytest.approx([299.5, 149.5])
