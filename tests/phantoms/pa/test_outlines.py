"""Bone outlines and the distance to them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from kneebundle.measurements.knee_shape import load_shape_model
from kneebundle.phantoms.pa.bones import draw_bones
from kneebundle.phantoms.pa.fields import Grid, measure_signed_distance
from kneebundle.phantoms.pa.outlines import EDGE_OFFSET_MM, draw_ellipse_outline


def test_distance_to_a_circle_is_the_radius_less_the_distance_to_its_centre() -> None:
    circle = draw_ellipse_outline(np.array([1.0, -2.0]), (10.0, 10.0), 2.0, 0.3)
    grid = Grid(81, 0.5, np.array([-20.0, -20.0]))
    distance, _ = measure_signed_distance(circle, grid, reach_mm=6.0)
    expected = 10.0 - np.hypot(grid.x[None] - 1.0, grid.y[:, None] + 2.0)
    np.testing.assert_allclose(distance, np.clip(expected, -6.0, 6.0), atol=0.03)


def test_resampling_a_grid_keeps_places() -> None:
    grid = Grid(50, 0.3, np.array([-3.0, 4.0]))
    coarse = grid.coarse(0.7)
    values = 2 * coarse.x[None] - coarse.y[:, None]
    np.testing.assert_allclose(grid.resample(values, coarse), 2 * grid.x[None] - grid.y[:, None], atol=1e-4)


@pytest.mark.parametrize("kl", [0, 2, 4])
def test_bone_edge_lies_at_the_stated_offset_from_each_landmark(kl: int) -> None:
    """The steepest slope of a noise-free bone mask across the edge is within 0.2 mm of the landmark plus its offset."""
    rng = np.random.default_rng(kl)
    points = load_shape_model().draw(rng, kl)
    bones = draw_bones(points, kl, rng)
    grid = Grid(571, 0.2, np.array([-57.0, -57.0]))
    edges = points + EDGE_OFFSET_MM
    for outline, ids in ((bones.tibia, range(9)), (bones.femur, range(9, 16))):
        distance, _ = measure_signed_distance(outline, grid, reach_mm=3.0)
        mask = ndimage.gaussian_filter((distance > 0).astype(float), 1.0)
        for i in ids:
            nearest = np.linalg.norm(outline.points - edges[i], axis=1).argmin()
            along = np.arange(-2, 2.01, 0.05)
            line = (edges[i] + along[:, None] * outline.normals[nearest] - grid.origin) / grid.step_mm
            profile = ndimage.map_coordinates(mask, [line[:, 1], line[:, 0]], order=1)
            assert along[np.gradient(profile).argmax()] == pytest.approx(0.0, abs=0.2), f"landmark {i}"


def test_osteophytes_grow_with_the_grade() -> None:
    """The tibia reaches further beyond its medial edge landmark in grade 4 than in grade 0."""
    model = load_shape_model()

    def reach(kl: int) -> float:
        rng = np.random.default_rng(3)
        points = model.draw(rng, 0)
        knees = [draw_bones(points, kl, rng) for _ in range(10)]
        near = [k.tibia.points[np.abs(k.tibia.points[:, 1] - points[8, 1]) < 4] for k in knees]
        return float(np.mean([outline[:, 0].max() for outline in near]) - points[8, 0])

    assert reach(4) > reach(0) + 1.0
