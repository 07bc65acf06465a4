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
    column = np.random.default_rng(2).random((30, 30))
    found = resample_affine(column, matrix(1.0, 0, (29, 0)), (30, 8))  # the last column alone
    np.testing.assert_allclose(found[:, 0], column[:, 29], atol=1e-6)
    assert np.isnan(found[:, 1:]).all()
    for beside in ((29.6, 0), (0, 29.6), (30, 0), (500, 0), (0, 30), (-8, 0), (-500, 0), (0, -500)):
        assert np.isnan(resample_affine(np.ones((30, 30)), matrix(1.0, 0, beside), (8, 8))).all()


@pytest.mark.parametrize("scale", [2.0, 4.0])
def test_the_low_pass_is_as_wide_as_the_coarser_pixels_ask(scale: float) -> None:
    """A spot whose standard deviation is 3 pixels gets one of sqrt(9 + (scale^2 - 1) / 4)."""
    y, x = np.mgrid[:161, :161] - 80.0
    spot = np.exp(-(x**2 + y**2) / (2 * 3.0**2))
    size = 61
    found = resample_affine(spot, matrix(scale, 0, (80 - 30 * scale,) * 2), (size, size)).astype(float)
    profile = np.nan_to_num(found).sum(axis=0)
    place = (np.arange(size) - 30) * scale
    assert np.sqrt((profile * place**2).sum() / profile.sum()) == pytest.approx(
        np.sqrt(9 + (scale**2 - 1) / 4), rel=2e-3
    )


def test_pixels_of_the_same_size_or_smaller_are_interpolated_and_not_smoothed() -> None:
    noise = np.random.default_rng(0).normal(size=(30, 30))
    same = resample_affine(noise, matrix(1.0, 0, (3, 5)), (20, 20))
    np.testing.assert_allclose(same, noise[5:25, 3:23], atol=1e-6)
    finer = resample_affine(noise, matrix(0.5, 0, (3, 5)), (20, 20))
    np.testing.assert_allclose(finer[::2, ::2], noise[5:15, 3:13], atol=1e-6)
    np.testing.assert_allclose(finer[::2, 1::2], (noise[5:15, 3:13] + noise[5:15, 4:14]) / 2, atol=1e-6)
    np.testing.assert_allclose(finer[1::2, ::2], (noise[5:15, 3:13] + noise[6:16, 3:13]) / 2, atol=1e-6)


def test_a_part_of_the_grid_gets_what_the_whole_grid_gets() -> None:
    noise = np.random.default_rng(1).normal(100, 30, (250, 280))
    whole = resample_affine(noise, matrix(5.0, 10, (60, 7)), (40, 45))
    place = matrix(5.0, 10, (60, 7)) @ matrix(1.0, 0, (14, 11))
    part = resample_affine(noise, place, (9, 6))
    assert np.isfinite(part).all()
    np.testing.assert_allclose(part, whole[11:20, 14:20], atol=1e-3)


def test_an_axis_alone_may_get_coarser() -> None:
    stripes = np.tile(np.sin(2 * np.pi * np.arange(300) / 2.3), (300, 1))
    place = np.diag([4.0, 1.0, 1.0])
    assert np.abs(resample_affine(stripes, place, (60, 60))[5:-5, 5:-5]).max() < 0.05
    np.testing.assert_allclose(
        resample_affine(stripes.T, place, (60, 60))[:, 5:-5], np.tile(stripes[0, :60], (50, 1)).T, atol=1e-5
    )
