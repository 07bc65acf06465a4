"""The Schoettle construction: values worked out by hand on a femur made of straight lines."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from kneebundle.measurements.schoettle import SchoettlePlan, plan_schoettle
from kneebundle.measurements.straight_line import fit_line

SIZE = 240
CORTEX_X = 100.0
P_BLUM, P_TMC = np.array([112.0, 156.0]), np.array([97.0, 150.0])
ROI_ROWS = (40.0, 130.0)
"""The posterior cortex is column 100 of a femur that faces right: LM2 is row 150, LM3 row 156, the point (103, 153)."""
POINT, RADIUS_MM = np.array([103.0, 153.0]), 3.0


def drawn(matrix: np.ndarray, shift: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Femur, landmarks and region of the knee after p' = matrix @ p + shift, edges soft over one pixel."""
    back = np.linalg.inv(matrix)
    y, x = np.indices((SIZE, SIZE), dtype=float)
    u, v = np.moveaxis((np.stack([x, y], axis=-1) - shift) @ back.T, -1, 0)
    pixel = 1 / np.linalg.norm(back[0])  # how many pixels one step of u is wide
    shaft = np.minimum(u - CORTEX_X, CORTEX_X + 30 - u)
    condyles = 34 - np.hypot(u - 112, v - 185)
    femur = np.clip(np.maximum(np.where(v < 180, shaft, -1e3), condyles) * pixel + 0.5, 0, 1)
    off = np.hypot(u - CORTEX_X, v - np.clip(v, *ROI_ROWS))
    landmarks = np.stack([P_BLUM, P_TMC]) @ matrix.T + shift
    return femur, landmarks, np.exp(-0.5 * (off / 6) ** 2)


def turned(degrees: float, mirrored: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """A turn about the middle of the image, after a mirroring of left and right."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    matrix = np.array([[c, -s], [s, c]]) @ np.diag([-1.0 if mirrored else 1.0, 1.0])
    middle = np.array([(SIZE - 1) / 2] * 2)
    return matrix, middle - matrix @ middle


def planned(degrees: float = 0.0, mirrored: bool = False, robust: bool = True) -> SchoettlePlan:
    return plan_schoettle(*drawn(*turned(degrees, mirrored)), (1.0, 1.0), robust=robust)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("degrees", [0, 17, -34, 90, 180])
def test_the_point_is_where_the_hand_puts_it_whichever_way_the_knee_lies(degrees: float, mirrored: bool) -> None:
    plan = planned(degrees, mirrored)
    matrix, shift = turned(degrees, mirrored)
    assert plan.refused is None
    assert plan.point_px == pytest.approx(matrix @ POINT + shift, abs=0.01)
    assert plan.radius_mm == pytest.approx(RADIUS_MM, abs=0.01)
    assert plan.lines["LM1"].direction == pytest.approx(matrix @ [0, 1], abs=1e-3)  # distally
    for name, row in (("LM2", 150), ("LM3", 156)):
        assert plan.lines[name].direction == pytest.approx(matrix @ [1, 0], abs=1e-3)  # anteriorly
        assert plan.lines[name].point_px == pytest.approx(matrix @ [CORTEX_X, row] + shift, abs=0.01)


def test_the_circle_touches_the_three_lines_in_mm_where_pixels_are_not_square() -> None:
    spacing_mm = (0.5, 0.8)
    matrix, shift = turned(25)
    stretch = np.diag([1 / spacing_mm[1], 1 / spacing_mm[0]]) * 0.7
    plan = plan_schoettle(*drawn(stretch @ matrix, stretch @ shift + 15), spacing_mm)
    assert plan.point_px == pytest.approx(stretch @ (matrix @ POINT + shift) + 15, abs=0.02)
    assert plan.radius_mm == pytest.approx(0.7 * RADIUS_MM, abs=0.01)
    mm = np.array(spacing_mm[::-1])
    assert plan.point_mm == pytest.approx(np.array(plan.point_px) * mm)
    for line in plan.lines.values():
        along = np.array(line.direction) * mm
        away = (np.array(plan.point_px) - line.point_px) * mm
        assert abs(np.linalg.det([along, away])) / np.linalg.norm(along) == pytest.approx(plan.radius_mm)


def test_the_plan_of_the_mirrored_maps_is_the_mirrored_plan() -> None:
    femur, landmarks, roi = drawn(*turned(11))
    rng = np.random.default_rng(0)
    femur = np.clip(femur + 0.2 * ndimage.gaussian_filter(rng.standard_normal(femur.shape), 2), 0, 1)
    plan = plan_schoettle(femur, landmarks, roi, (1.0, 1.0))
    across = plan_schoettle(femur[:, ::-1], [SIZE - 1, 0] + landmarks * [-1, 1], roi[:, ::-1], (1.0, 1.0))
    assert plan.point_px is not None
    assert across.point_px == pytest.approx((SIZE - 1 - plan.point_px[0], plan.point_px[1]), abs=1e-6)
    assert across.radius_mm == pytest.approx(plan.radius_mm)


def test_a_plan_moves_to_the_pixels_of_the_film() -> None:
    plan = planned(8)
    film = plan.to_grid((2.5, 2.0), (10.0, -4.0))
    assert plan.point_px is not None and film.spacing_mm == (0.5, 0.4)
    assert film.point_px == pytest.approx((plan.point_px[0] * 2.5 + 10, plan.point_px[1] * 2.0 - 4))
    direction = np.array(plan.lines["LM1"].direction) * [2.5, 2.0]
    assert film.lines["LM1"].direction == pytest.approx(direction / np.linalg.norm(direction))
    assert film.radius_mm == plan.radius_mm
    assert film.cortex_px == pytest.approx(plan.cortex_px * [2.5, 2.0] + [10, -4])


def test_a_binary_mask_gives_the_point_to_half_a_pixel() -> None:
    femur, landmarks, roi = drawn(*turned(17))
    matrix, shift = turned(17)
    plan = plan_schoettle(femur >= 0.5, landmarks, roi, (1.0, 1.0))
    assert plan.point_px == pytest.approx(matrix @ POINT + shift, abs=0.5)


def test_a_tenth_of_the_outline_elsewhere_hardly_moves_the_robust_line() -> None:
    rng = np.random.default_rng(3)
    along = np.arange(0.0, 60.0, 0.5)
    points = np.stack([rng.normal(0, 0.2, len(along)), along], axis=1)
    points[rng.choice(len(along), len(along) // 10, replace=False), 0] += 5.0
    moved = {}
    for robust in (True, False):
        origin, direction = fit_line(points, robust)
        moved[robust] = max(abs(np.linalg.det([direction, np.array([0.0, y]) - origin])) for y in (0.0, 70.0))
    assert moved[True] < 0.15
    assert moved[False] > 0.4


def test_least_squares_is_the_papers_fit() -> None:
    points = np.array([[0.0, 0.0], [1.0, 10.0], [0.0, 20.0], [1.0, 30.0], [0.0, 40.0]])
    origin, direction = fit_line(points, robust=False)
    assert origin == pytest.approx([0.4, 20.0])
    scatter = np.cov((points - points.mean(0)).T)
    assert abs(direction @ scatter @ direction) == pytest.approx(np.linalg.eigvalsh(scatter)[-1])


FAILURES = [
    (lambda f, p, r: (f * 0, p, r), "no femur was found", 0),
    (lambda f, p, r: (f, p, r * 0.4), "no posterior cortex was found.*largest likelihood of the region 0.40", 0),
    (lambda f, p, r: (f, p, np.where(np.arange(SIZE)[:, None] < 128, 0, r)), "the posterior cortex is too short", 0),
    (lambda f, p, r: (f, p, np.maximum(r, np.roll(r, 30, axis=1))), "outline .* is not a line", 0),
    (lambda f, p, r: (f, p * [[np.nan, 1], [1, 1]], r), "p_blum could not be found", 0),
    (lambda f, p, r: (f, p[::-1], r), "LM3, .* lies 6.0 mm proximal to LM2", 3),
    (lambda f, p, r: (f, p - [[0, 5.5], [0, 0]], r), "LM3, .* lies 0.5 mm distal to LM2", 3),
    (lambda f, p, r: (f, p + [[0, 25], [0, 0]], r), "LM3, .* lies 31.0 mm distal to LM2", 3),
    (lambda f, p, r: (np.where(np.arange(SIZE)[:, None] < 140, f, 0), p, r), "would lie outside the femur", 3),
]


@pytest.mark.parametrize(("change", "reason", "lines"), FAILURES, ids=[reason[:30] for _, reason, _ in FAILURES])
def test_each_step_that_fails_says_why(change: Callable[..., Any], reason: str, lines: int) -> None:
    femur, landmarks, roi = change(*drawn(*turned(0)))
    plan = plan_schoettle(femur, landmarks, roi, (1.0, 1.0))
    assert re.search(reason, plan.refused or "")
    assert plan.point_px is None and plan.point_mm is None and plan.radius_mm is None
    assert len(plan.lines) == lines


def test_wrong_shapes_are_the_callers_error() -> None:
    femur, landmarks, roi = drawn(*turned(0))
    with pytest.raises(ValueError, match=r"femur and roi are \(H, W\)"):
        plan_schoettle(femur, landmarks, roi[1:], (1.0, 1.0))
