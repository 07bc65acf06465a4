"""Cached regions: what is written is read, points stay on their pixels, a broken cache is an error."""

from pathlib import Path

import numpy as np
import pytest
import torch

from kneebundle.datasets.region_cache import REGION_PX, KneeRegions, cache_regions, scale_to_bytes
from kneebundle.errors import KneeBundleError
from kneebundle.phantoms.collection import phantom_records
from kneebundle.phantoms.pa.knee import PhantomKnees


def test_grey_values_become_bytes_and_nothing_is_outside() -> None:
    assert scale_to_bytes(torch.tensor([[[float("nan"), 0.0, 1.0]]])).tolist() == [[0, 1, 255]]
    assert not scale_to_bytes(torch.full((1, 2, 2), float("nan"))).any()


def test_regions_of_phantoms_come_back(tmp_path: Path) -> None:
    records = phantom_records(lambda count: PhantomKnees(count, seed=0), "training", 2)
    done: list[int] = []
    regions = cache_regions(records, tmp_path / "cache", seed=1, progress=done.append)
    assert (len(regions), done) == (2, [1, 2])
    assert list(regions.looks) == ["raw", "equalized", "varied"]
    assert all(look.shape == (2, REGION_PX, REGION_PX) for look in regions.looks.values())
    np.testing.assert_allclose(regions.centers, (REGION_PX - 1) / 2, atol=1e-3)
    assert np.isfinite(regions.points).all()
    # right and left knees look alike: the lateral edge of the tibia is on the same side
    assert (np.sign(regions.points[:, 0, 0] - regions.points[:, 8, 0]) == -1).all()
    again = KneeRegions.load(tmp_path / "cache")
    np.testing.assert_array_equal(again.looks["varied"], regions.looks["varied"])
    moved = again.with_points(np.full_like(again.points, np.nan))
    np.testing.assert_allclose(moved.centers, (REGION_PX - 1) / 2)


def test_a_cache_that_is_not_whole_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "regions.json").write_text('{"looks": ["raw"], "records": []}')
    with pytest.raises(KneeBundleError, match="no cached regions"):
        KneeRegions.load(tmp_path)
