"""The drawn knees that ship."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from kneebundle.io.reading import read_radiograph
from kneebundle.phantoms.pa.sample_knees import write_knee_samples


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("samples")
    write_knee_samples(folder, seed=0)
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
    write_knee_samples(tmp_path, seed=0)
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
