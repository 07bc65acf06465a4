"""Data sets of drawn knees."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kneebundle.errors import KneeBundleError
from kneebundle.phantoms.pa.data_set import synthesize_knees
from kneebundle.phantoms.pa.knee import PhantomKnees


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_synthesized_folder_holds_the_knees_of_the_data_set(tmp_path: Path) -> None:
    synthesize_knees(tmp_path, 3, seed=9, size_mm=90, spacing_mm=0.9, inverted_every=3)
    rows = _rows(tmp_path / "landmarks.csv")
    assert [row["inverted"] for row in rows] == ["0", "0", "1"]
    assert [row["side"] for row in rows] == ["R", "L", "R"]
    film, landmarks, kl = PhantomKnees(3, 9, size_mm=90, spacing_mm=0.9, inverted_every=3)[2]
    np.testing.assert_array_equal(
        np.array(Image.open(tmp_path / "images" / rows[2]["image"])), (film.pixels / 16).astype(np.uint8)
    )
    written = [float(rows[2][f"{axis}{i}"]) for i in range(16) for axis in "xy"]
    np.testing.assert_allclose(written, landmarks.points.ravel(), atol=0.006)
    assert int(rows[2]["kl"]) == kl


def test_columns_are_those_of_the_oai_crops(tmp_path: Path, shared_data: Path) -> None:
    synthesize_knees(tmp_path, 1, seed=0, size_mm=90, spacing_mm=1.0)
    ours = (tmp_path / "landmarks.csv").read_text().splitlines()[0].split(",")
    theirs = (shared_data / "oai_knees" / "landmarks.csv").read_text().splitlines()[0].split(",")
    assert ours == [column for column in theirs if column != "fit_ncc"]


def test_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(KneeBundleError, match="cannot make the output folder"):
        synthesize_knees(tmp_path / "file" / "out", 1)
