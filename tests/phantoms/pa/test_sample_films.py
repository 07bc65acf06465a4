"""The drawn films that ship."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from kneebundle.errors import KneeBundleError
from kneebundle.io.reading import read_radiograph
from kneebundle.phantoms.pa.sample_films import write_film_samples


def test_shipped_films_are_those_that_the_phantom_draws(repository: Path, tmp_path: Path) -> None:
    """Up to the last bit of floating point arithmetic, which another processor may round the other way."""
    write_film_samples(tmp_path / "films")
    shipped = repository / "samples" / "films"
    assert (tmp_path / "films/truth.csv").read_bytes() == (shipped / "truth.csv").read_bytes()
    with (shipped / "truth.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["image"], row["side"]) for row in rows] == [(f"film_{n}.dcm", side) for n in range(2) for side in "RL"]
    for right, left in (rows[:2], rows[2:]):
        old, new = (read_radiograph(folder / right["image"]) for folder in (shipped, tmp_path / "films"))
        assert new.view == "pa-bilateral" and new.spacing_mm == old.spacing_mm
        assert np.abs(old.pixels - new.pixels).max() <= 1 and (old.pixels != new.pixels).mean() < 0.001
        assert float(right["x4"]) < new.columns / 2 < float(left["x4"])


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(KneeBundleError, match="the folder cannot be made") as raised:
        write_film_samples(tmp_path / "file" / "films", count=1)
    assert raised.value.field == "output"
