from __future__ import annotations

import numpy as np
import pytest

from kneebundle.transforms.affine import resample_affine


def matrix(scale: float, turn_deg: float, shift: tuple[float, float], flip: bool = False) -> np.ndarray:
    turn = np.deg2rad(turn_deg)
    linear = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) * scale
    full = np.eye(3)
    full[:2, :2] = linear @ np.diag([-1.0 if flip else 1.0, 1.0])
    full[:2, 2] = shift
    return full


@pytest.mark.parametrize(("turn", "flip"), [(0, False), (90, False), (180, True), (-37, True)])
def test_a_plane_stays_a_plane(turn: float, flip: bool) -> None:
    rows, columns = np.mgrid[:60, :80].astype(float)
    place = matrix(0.8, turn, (40, 30), flip)
    found = resample_affine(3 * columns + 5 * rows, place, (20, 16))
    y, x = np.mgrid[:20, :16]
    at = place @ np.stack([x.ravel(), y.ravel(), np.ones(x.size)])
    np.testing.assert_allclose(found.ravel(), 3 * at[0] + 5 * at[1], rtol=1e-4)


def test_fine_stripes_do_not_become_coarse_ones() -> None:
    stripes = np.tile(100.0 * np.sin(2 * np.pi * np.arange(400) / 2.3), (400, 1))
    coarse = resample_affine(stripes, matrix(4.0, 20, (60, 60)), (60, 50))
    assert np.nanstd(coarse) < 1.0  # 70 without the low-pass


def test_beyond_the_image_there_is_nothing() -> None:
    found = resample_affine(np.ones((30, 30)), matrix(1.0, 0, (-5, 0)), (30, 30))
    assert np.isnan(found[:, :4]).all() and (found[:, 5:] == 1).all()
    assert np.isnan(resample_affine(np.ones((30, 30)), matrix(1.0, 0, (500, 0)), (8, 8))).all()
