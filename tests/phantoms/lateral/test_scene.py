"""Bones that stand to one another and to the film as they must."""

from dataclasses import replace

import numpy as np
import pytest

from kneebundle.phantoms.lateral.femur import Femur
from kneebundle.phantoms.lateral.patella import Patella
from kneebundle.phantoms.lateral.pose import make_film_pose
from kneebundle.phantoms.lateral.rays import View, cast
from kneebundle.phantoms.lateral.scene import Scene, build_scene
from kneebundle.phantoms.lateral.sizes import draw_sizes
from kneebundle.phantoms.lateral.solids import Points, Solid
from kneebundle.phantoms.lateral.tibia import Fibula, Tibia
from kneebundle.phantoms.lateral.truth import find_blumensaat_point, find_posterior_edge, find_transition_point

FAR = View(200, 160, 1.0, 1e6)
"""A film with rays that are all but parallel."""


def scene(seed: int, flexion: float = 0.0, turn: float = 0.0, lean: float = 0.0) -> Scene:
    sizes = draw_sizes(np.random.default_rng(seed))
    pose = make_film_pose(0.0, turn, lean, True, np.array([-15.0, 10, 0]))
    return build_scene(Femur(sizes), Patella(sizes.patella), Tibia(sizes), Fibula(sizes), pose, flexion)


def condyle_shadow(knee: Scene, side: int) -> np.ndarray:
    """Mask of one condyle, both of one depth."""
    femur = Femur(replace(knee.sizes, lateral_depth=knee.sizes.femur_depth))
    solid = Solid(lambda p: femur.condyle(p, side), femur.cortex_mm, femur.solid.box)
    return cast(solid, knee.femur_pose, FAR, (1.0, 2.0)).mask


def middle(mask: np.ndarray) -> np.ndarray:
    """Middle of the smallest box around a mask, x and y."""
    return np.array([np.flatnonzero(mask.any(axis))[[0, -1]].mean() for axis in (0, 1)])


def test_condyles_coincide_in_a_true_lateral_film_and_part_off_it() -> None:
    true = scene(0)
    medial, lateral = condyle_shadow(true, -1), condyle_shadow(true, 1)
    assert (medial & lateral).sum() / (medial | lateral).sum() > 0.97
    apart = 2 * true.femur.side * np.sin(np.deg2rad(8))
    turned = scene(0, turn=8.0)
    shift = middle(condyle_shadow(turned, 1)) - middle(condyle_shadow(turned, -1))
    np.testing.assert_allclose(np.abs(shift), [apart, 0], atol=1.5)
    tilted = scene(0, lean=8.0)
    shift = middle(condyle_shadow(tilted, 1)) - middle(condyle_shadow(tilted, -1))
    np.testing.assert_allclose(np.abs(shift), [0, apart], atol=1.5)


@pytest.mark.parametrize("flexion", [0, 30, 65])
@pytest.mark.parametrize("seed", [1, 2])
def test_bones_do_not_run_into_each_other(seed: int, flexion: int) -> None:
    knee = scene(seed, flexion)
    grid = np.stack(np.meshgrid(np.arange(-40, 90, 2.0), np.arange(-70, 80, 2.0), np.arange(-44, 46, 2.0)), -1)
    points = knee.femur_pose(grid.reshape(-1, 3))
    levels = [solid.level(pose.inverse().apply(Points(*points.T.astype(np.float32)))) for solid, pose in knee.bones]
    for i, level in enumerate(levels):
        assert level.max() > 2, "the bone is not there"
        for other in levels[i + 1 :]:
            assert np.minimum(level, other).max() < 1.0


@pytest.mark.parametrize("flexion", [10, 50])
def test_flexion_and_tendon_length_are_what_was_asked_for(flexion: int) -> None:
    knee = scene(3, flexion)
    turn = knee.femur_pose.rotation.T @ knee.tibia_pose.rotation
    assert np.rad2deg(np.arccos(turn[1, 1])) == pytest.approx(flexion, abs=1e-6)
    assert turn[0, 1] < 0, "the shin goes backwards"
    pole, tuber = knee.patella_pose(knee.patella.lower_pole[None]), knee.tibia_pose(knee.tibia.tuberosity[None])
    length = np.linalg.norm((pole - tuber)[0, :2])
    assert length == pytest.approx(knee.sizes.tendon_ratio * knee.sizes.patella[1], rel=0.12)


def test_points_lie_where_the_anatomy_has_them() -> None:
    """p_tmc on the medial outline where the condyle begins, p_blum inside, distal of it and near the cortex line."""
    for seed in range(4):
        knee = scene(seed)
        femur = knee.femur
        origin = FAR.to_px(knee.femur_pose(np.zeros((1, 3))))[0]
        (tmc, along), blum = find_transition_point(knee, FAR), find_blumensaat_point(knee, FAR)
        meets = -np.sqrt(femur.radius**2 - femur.back**2)
        assert tmc[1] - origin[1] == pytest.approx(along, abs=0.2)
        assert meets - 15 < along < meets
        assert tmc[0] - origin[0] == pytest.approx(femur.back, abs=4.0)
        np.testing.assert_allclose(blum - origin, femur.blumensaat_end[:2], atol=0.1)
        assert 2 < blum[1] - tmc[1] < 14


def test_the_shaft_has_its_edge_where_the_bow_says() -> None:
    knee = scene(5)
    shadow = cast(*knee.bones[0], FAR, (1.0, 1.0))
    origin = FAR.to_px(knee.femur_pose(np.zeros((1, 3))))[0]
    # LM1's frame is that of the shaft from 25 to 60 mm above the condyles, a little turned by the bow.
    edge = find_posterior_edge(knee, FAR, shadow.level, np.array([-45.0, -60.0, -75.0])) - origin
    np.testing.assert_allclose(edge[:, 0], knee.femur.shaft_edges(edge[:, 1])[0], atol=0.2)
