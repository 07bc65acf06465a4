"""Shadows of solids whose paths are known by hand."""

import numpy as np
import pytest

from kneebundle.phantoms.lateral.attenuation import find_tissues
from kneebundle.phantoms.lateral.bone_attenuation import compute_added_attenuation
from kneebundle.phantoms.lateral.rays import Shadow, View, cast
from kneebundle.phantoms.lateral.solids import Points, Rigid, Solid, ellipsoid, rotation, smooth_union

RADIUS, WALL = 20.0, 4.0
VIEW = View(121, 101, 0.5, 1000.0)


def ball(z: float = 0.0) -> tuple[Solid, Rigid]:
    reach = np.full(3, RADIUS + 1)
    solid = Solid(
        lambda p: ellipsoid(p, (0, 0, 0), (RADIUS,) * 3), lambda p: np.full_like(p.x, WALL), np.stack([-reach, reach])
    )
    return solid, Rigid(np.eye(3), np.array([0.0, 0.0, z]))


def test_path_through_a_hollow_ball() -> None:
    shadow = cast(*ball(), VIEW)
    row, column = 60, np.array([50, 50 + 20, 50 + 36])  # 0, 10 and 18 mm off the middle; the last passes the wall only
    whole = 2 * np.sqrt(RADIUS**2 - np.array([0, 10, 18]) ** 2)
    inner = 2 * np.sqrt(np.maximum((RADIUS - WALL) ** 2 - np.array([0, 10, 18]) ** 2, 0))
    np.testing.assert_allclose(shadow.inside_mm[row, column], inner, atol=0.6)
    np.testing.assert_allclose(shadow.cortex_mm[row, column], whole - inner, atol=0.8)


def test_the_mask_is_the_disc_to_a_tenth_of_a_pixel() -> None:
    mask = cast(*ball(), VIEW).mask
    assert np.sqrt(mask.sum() / np.pi) == pytest.approx(RADIUS / 0.5, abs=0.15)
    assert mask[60, 50 - 39 : 50 + 40].all() and not mask[60, 50 + 41] and not mask[60, 50 - 41]


def test_what_is_nearer_to_the_source_looks_larger() -> None:
    view = View(161, 161, 0.5, 400.0)
    plane, near = (np.sqrt(cast(*ball(z), view).mask.sum() / np.pi) for z in (0.0, 100.0))
    assert near / plane == pytest.approx(400 / 300, rel=0.01)
    np.testing.assert_allclose(view.to_px(np.array([[30.0, 0, 100.0]])), [[80 + 80, 80]])


def test_beer_lambert_by_hand() -> None:
    """Exponents add up: 10 mm of cortex and 20 mm of spongy bone with a quarter of bone, in the place of muscle."""
    tissue = find_tissues(40.0)
    assert tissue.cortex == pytest.approx(0.6655 * 1.92 / 10)
    assert tissue.muscle == pytest.approx(0.2688 * 1.06 / 10)
    one = np.ones((1, 1), np.float32)
    added = compute_added_attenuation(Shadow(one, 10 * one, 20 * one), 0.25 * one, tissue)
    marrow = (0.2688 * 1.06 + 0.2396 * 0.95) / 20
    by_hand = 10 * (0.127776 - 0.0284928) + 20 * (0.25 * 0.127776 + 0.75 * marrow - 0.0284928)
    assert float(added[0, 0]) == pytest.approx(by_hand, rel=1e-5)
    more = compute_added_attenuation(Shadow(one, 11 * one, 20 * one), 0.25 * one, tissue)
    assert more > added


def test_a_turn_of_ninety_degrees_and_back() -> None:
    turn = Rigid(rotation(90, 2), np.array([1.0, 2, 3]))
    np.testing.assert_allclose(turn(np.array([[1.0, 0, 0]])), [[1, 3, 3]], atol=1e-12)
    points = np.random.default_rng(0).normal(size=(5, 3))
    np.testing.assert_allclose(turn.inverse()(turn(points)), points, atol=1e-12)
    np.testing.assert_allclose(turn.after(turn)(points), turn(turn(points)), atol=1e-12)
    np.testing.assert_allclose(np.stack(turn.apply(Points(*points.T.astype(np.float32))), 1), turn(points), atol=1e-5)


def test_a_union_is_filled_in_the_groove_only() -> None:
    a, b = np.array([1.0, 0.0, -5.0]), np.array([-9.0, 0.0, 3.0])
    np.testing.assert_allclose(smooth_union(a, b, 4.0), [1, 1, 3])
