"""Halves of a bilateral film."""

import numpy as np
import pytest

from kneebundle.radiograph import Radiograph
from kneebundle.transforms.halves import crop_half


@pytest.mark.parametrize("columns", [40, 41])
def test_halves_cover_the_film_and_keep_their_place(columns: int) -> None:
    image = Radiograph(np.arange(20.0 * columns).reshape(20, columns), (0.5, 0.25)).to_metatensor()
    right, left = crop_half(image, "R"), crop_half(image, "L")
    assert right.shape[2] + left.shape[2] == columns
    assert np.asarray(right.affine)[1, 3] == 0
    assert np.asarray(left.affine)[1, 3] == right.shape[2] * 0.25
    np.testing.assert_array_equal(left[0, :, 0], image[0, :, right.shape[2]])
