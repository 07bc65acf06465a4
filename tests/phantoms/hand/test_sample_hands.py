"""The drawn hands that ship."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from kneebundle.datasets.hands import read_hands
from kneebundle.phantoms.hand.hand import draw_hand
from kneebundle.phantoms.hand.sample_hands import write_hand_samples


def test_samples_come_with_their_labels(tmp_path: Path) -> None:
    write_hand_samples(tmp_path, count=3)
    records = read_hands(tmp_path, "training", fold=0)
    assert [r["id"] for r in records] == ["hand_1", "hand_2"]
    radiograph, landmarks = draw_hand(np.random.default_rng([0, 2_000_001]))
    np.testing.assert_allclose(records[0]["landmarks"], landmarks.points, atol=0.006)
    written = np.asarray(Image.open(tmp_path / "images" / "hand_1.png"))
    np.testing.assert_array_equal(written, (radiograph.pixels / 16).astype(np.uint8))


def test_shipped_samples_are_those_that_the_phantom_draws(tmp_path: Path, repository: Path) -> None:
    """Up to the last bit of floating point arithmetic, which another processor may round the other way."""
    write_hand_samples(tmp_path)
    shipped = repository / "samples" / "hands"
    table = "landmarks_px.csv"
    assert (shipped / table).read_bytes() == (tmp_path / table).read_bytes()
    names = sorted(path.name for path in (tmp_path / "images").iterdir())
    assert names == sorted(path.name for path in (shipped / "images").iterdir())
    for name in names:
        old, new = (np.asarray(Image.open(folder / "images" / name)).astype(int) for folder in (shipped, tmp_path))
        assert np.abs(old - new).max() <= 1, name
        assert (old != new).mean() < 0.001, name
