"""Folders of drawn knees."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kneebundle.datasets.phantoms.knee_pa import PhantomKnees
from kneebundle.datasets.phantoms.samples import synthesize, write_samples
from kneebundle.errors import KneeBundleError
from kneebundle.io.reading import read_radiograph


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("samples")
    write_samples(folder, seed=0)
    return folder


def test_shipped_samples_are_those_that_the_phantom_draws(samples: Path, repository: Path) -> None:
    """Up to the last bit of floating point arithmetic, which another processor may round the other way."""
    shipped = repository / "samples" / "knees"
    assert sorted(f.name for f in shipped.iterdir()) == sorted(f.name for f in samples.iterdir())
    for file in ("truth.csv", "manifest.csv"):
        assert (shipped / file).read_bytes() == (samples / file).read_bytes()
    for row in _rows(samples / "truth.csv"):
        old, new = (read_radiograph(folder / row["image"], spacing_mm=0.3).pixels for folder in (shipped, samples))
        assert np.abs(old - new).max() <= 1, row["image"]
        assert (old != new).mean() < 0.001, row["image"]


def test_the_same_seed_gives_the_same_bytes(samples: Path, tmp_path: Path) -> None:
    write_samples(tmp_path, seed=0)
    for file in samples.iterdir():
        assert (tmp_path / file.name).read_bytes() == file.read_bytes(), file.name


def test_samples_have_both_sides_in_all_grades_half_of_them_dicom(samples: Path) -> None:
    truth = _rows(samples / "truth.csv")
    assert {(row["side"], row["kl"]) for row in truth} == {(side, kl) for side in "RL" for kl in "01234"}
    assert sum(row["image"].endswith(".dcm") for row in truth) == 5
    assert [row["path"] for row in _rows(samples / "manifest.csv")] == [row["image"] for row in truth]


def test_samples_read_back_with_the_spacing_of_the_truth(samples: Path) -> None:
    for row in _rows(samples / "truth.csv"):
        path = samples / row["image"]
        stated = float(row["spacing_mm"]) if path.suffix == ".png" else None
        film = read_radiograph(path, spacing_mm=stated)
        assert film.spacing_mm == pytest.approx((float(row["spacing_mm"]),) * 2)
        if path.suffix == ".dcm":
            assert film.side == row["side"]


def test_synthesized_folder_holds_the_knees_of_the_data_set(tmp_path: Path) -> None:
    synthesize(tmp_path, 3, seed=9, size_mm=90, spacing_mm=0.9, inverted_every=3)
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
    synthesize(tmp_path, 1, seed=0, size_mm=90, spacing_mm=1.0)
    ours = (tmp_path / "landmarks.csv").read_text().splitlines()[0].split(",")
    theirs = (shared_data / "oai_knees" / "landmarks.csv").read_text().splitlines()[0].split(",")
    assert ours == [column for column in theirs if column != "fit_ncc"]


def test_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(KneeBundleError, match="cannot be made"):
        synthesize(tmp_path / "file" / "out", 1)
