"""A drawn knee that the tests of all readers write and read back."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture(scope="session")
def knee() -> np.ndarray:
    """(96, 80) uint16 of 12 bits, without any symmetry: two bones, soft tissue, grain and a mark at the top left."""
    rows, columns = np.mgrid[:96, :80].astype(float)
    grey = 500 + 6 * rows + 4 * columns
    grey += 1400 * (np.hypot((columns - 42) / 20, (rows - 30) / 26) < 1)
    grey += 1100 * (np.hypot((columns - 38) / 16, (rows - 78) / 18) < 1)
    grey[5:14, 4:9] = 3900
    grey += np.random.default_rng(0).integers(0, 60, grey.shape)
    return grey.astype(np.uint16)
