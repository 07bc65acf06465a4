"""Made volumes: blobs where the landmarks are, always the same, told apart only by where they lie."""

import numpy as np
import pytest
import torch

from kneebundle.datasets.phantoms.volumes import PhantomVolumes, draw_volume
from kneebundle.errors import KneeBundleError

SIZE = (24, 28, 32)


def test_blobs_are_where_the_landmarks_are() -> None:
    volume, points = draw_volume(np.random.default_rng(0), SIZE, distractors=0, noise=0.0)
    assert volume.shape == SIZE and volume.dtype == np.float32
    assert points.shape == (4, 3)
    for point in points:
        x, y, z = np.rint(point).astype(int)
        around = volume[z - 2 : z + 3, y - 2 : y + 3, x - 2 : x + 3]
        assert np.unravel_index(around.argmax(), around.shape) == (2, 2, 2)
        assert 0.75 < around.max() < 1.1


def test_distractors_look_like_landmarks() -> None:
    without, _ = draw_volume(np.random.default_rng(0), SIZE, distractors=0, noise=0.0)
    with_two, _ = draw_volume(np.random.default_rng(0), SIZE, distractors=2, noise=0.0)
    blob = without.sum() / 4
    assert 4.5 * blob < with_two.sum() < 6.1 * blob


def test_an_item_is_the_same_each_time_and_its_label_normalised() -> None:
    volumes = PhantomVolumes(3, seed=1, size=SIZE)
    assert len(volumes) == 3 and len(volumes[1:]) == 2
    item, again = volumes[2], volumes[-1]
    assert item["image"].shape == (1, *SIZE) and item["label"].shape == (4, 3)
    torch.testing.assert_close(item, again)
    assert bool(((item["label"] >= 0) & (item["label"] < 1)).all())
    _, points = draw_volume(np.random.default_rng([1, 2]), SIZE)
    np.testing.assert_allclose(item["label"], (points + 0.5) / np.array(SIZE[::-1]), rtol=1e-5)
    assert not torch.equal(item["image"], PhantomVolumes(3, seed=2, size=SIZE)[2]["image"])
    with pytest.raises(IndexError):
        volumes[3]


def test_a_volume_too_small_is_refused() -> None:
    with pytest.raises(KneeBundleError, match="16 voxels"):
        draw_volume(np.random.default_rng(0), (24, 8, 24))
