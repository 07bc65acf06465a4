"""The lateral films that ship."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kneebundle.errors import KneeBundleError
from kneebundle.io.reading import read_radiograph
from kneebundle.phantoms.lateral.sample_knees import write_lateral_samples


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("samples")
    write_lateral_samples(folder / "lateral", folder / "lateral_truth")
    return folder


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_shipped_samples_are_those_that_the_phantom_draws(drawn: Path, repository: Path) -> None:
    """Up to the last bit of floating point arithmetic, which another processor may round the other way."""
    shipped = repository / "samples"
    for part in ("lateral", "lateral_truth", "lateral_truth/masks"):
        assert sorted(f.name for f in (shipped / part).iterdir()) == sorted(f.name for f in (drawn / part).iterdir())
    for table in ("lateral/manifest.csv", "lateral_truth/points.csv"):
        assert (shipped / table).read_bytes() == (drawn / table).read_bytes()
    for row in _rows(drawn / "lateral_truth/points.csv"):
        old, new = (
            read_radiograph(folder / "lateral" / row["image"], view="lateral", uncalibrated=True).pixels
            for folder in (shipped, drawn)
        )
        assert np.abs(old - new).max() <= 1, row["image"]
        assert (old != new).mean() < 0.001, row["image"]
    for mask in (drawn / "lateral_truth/masks").iterdir():
        old, new = (np.asarray(Image.open(path)) for path in (mask, shipped / "lateral_truth/masks" / mask.name))
        assert (old != new).mean() < 0.001, mask.name


def test_pictures_show_a_sphere_and_dicom_files_state_the_spacing(drawn: Path) -> None:
    truth = _rows(drawn / "lateral_truth/points.csv")
    assert [Path(row["image"]).suffix for row in truth] == [".png", ".dcm", ".png", ".dcm"]
    assert [bool(row["sphere_x"]) for row in truth] == [True, False, True, False]
    assert [(r["path"], r["view"]) for r in _rows(drawn / "lateral/manifest.csv")] == [
        (row["image"], "lateral") for row in truth
    ]
    for row in truth:
        path = drawn / "lateral" / row["image"]
        if path.suffix == ".dcm":
            film = read_radiograph(path)
            assert film.view == "lateral"
            assert film.spacing_mm == pytest.approx((float(row["spacing_mm"]),) * 2, abs=1e-5)
        else:
            with pytest.raises(KneeBundleError, match="no pixel spacing"):
                read_radiograph(path, view="lateral")
