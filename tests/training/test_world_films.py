"""Films of the world made of single knees: the right sides, the same again, and each data set in its share."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kneebundle.errors import KneeBundleError
from kneebundle.phantoms.pa.data_set import synthesize_knees
from kneebundle.training.made_films import KneeImages, knee_images
from kneebundle.training.world_films import WorldFilms


@pytest.fixture(scope="module")
def knees(tmp_path_factory: pytest.TempPathFactory) -> KneeImages:
    folder: Path = tmp_path_factory.mktemp("crops")
    synthesize_knees(folder, 6, size_mm=110.0, spacing_mm=0.6)
    return knee_images(str(folder), "training", -1, folds=2)


def test_a_film_has_one_knee_or_two_of_its_sides_and_is_kept(knees: KneeImages) -> None:
    films = WorldFilms([knees], 8, seed=2)
    sides = {tuple(knee.side for knee in film.knees) for film in films}
    assert sides >= {("R", "L")} and sides & {("R",), ("L",)}
    assert films[3] is films[3]
    other = WorldFilms([knees], 8, seed=2)[3]
    assert np.array_equal(films[3].pixels, other.pixels) and other.pixels.dtype == np.uint8
    for knee in films[3].knees:
        assert knee.points.shape == (16, 2)


def test_knees_come_from_the_data_set_with_the_share(knees: KneeImages) -> None:
    class Untouched(KneeImages):
        def __getitem__(self, index: Any) -> Any:
            raise AssertionError("its share is 0")

    WorldFilms([knees, Untouched(knees.records)], 2, shares=[1.0, 0.0])[0]
    with pytest.raises(AssertionError):
        WorldFilms([knees, Untouched(knees.records)], 2, shares=[0.0, 1.0])[0]


def test_shares_and_sides_have_to_fit(knees: KneeImages) -> None:
    with pytest.raises(KneeBundleError, match="2 shares for 1 data sets"):
        WorldFilms([knees], 2, shares=[0.5, 0.5])
    right = KneeImages([record for record in knees.records if record["side"] == "R"])
    with pytest.raises(KneeBundleError, match="no knee of the side L"):
        WorldFilms([right], 2)
