"""Joint space widths: those of joints whose edges are known, and none where there is no edge."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from kneebundle.landmarks import Landmarks
from kneebundle.measurements.joint_edges import find_path
from kneebundle.measurements.joint_space import FIXED_PLACES
from kneebundle.measurements.knee_pa import measure_knee_pa
from kneebundle.measurements.measurement import Measurement
from kneebundle.radiograph import Radiograph
from tests.measurements.drawn_joints import LATERAL_GAP, MEDIAL_GAP, draw_joint, move

NAMES = [
    *(f"joint_space_width_{side}{end}" for side in ("medial", "lateral") for end in ("_minimum", "")),
    *(f"joint_space_width_{side}_{round(1000 * x)}" for side, places in FIXED_PLACES.items() for x in places),
]


def widths(radiograph: Radiograph, landmarks: Landmarks) -> dict[str, Measurement]:
    found = measure_knee_pa(radiograph, landmarks)
    return {name: found[name] for name in NAMES}


def assert_gaps(found: dict[str, Measurement], tolerance: float = 0.05) -> None:
    for name, measurement in found.items():
        expected = MEDIAL_GAP if "medial" in name else LATERAL_GAP
        assert measurement.value == pytest.approx(expected, abs=tolerance), name


@pytest.mark.parametrize(
    "drawn",
    [
        {},
        {"left": True},
        {"spacing_mm": (0.2, 0.4)},
        {"spacing_mm": (0.35, 0.15)},
        {"turn_deg": 12.0},
        {"turn_deg": -20.0, "left": True, "spacing_mm": (0.3, 0.2)},
    ],
)
def test_the_gap_is_measured_to_a_part_of_a_pixel(drawn: dict) -> None:
    assert_gaps(widths(*draw_joint(**drawn)))


def test_the_fixed_places_count_from_the_medial_edge_of_the_femur() -> None:
    found = widths(*draw_joint(narrowing=0.1))
    # x = 0.150 lies 0.15 * 80 mm = 12 mm from the femur's edge at 142 mm, at 130 mm, where the gap is MEDIAL_GAP
    for place in FIXED_PLACES["medial"]:
        expected = MEDIAL_GAP + 0.1 * (place - 0.150) * 80
        assert found[f"joint_space_width_medial_{round(1000 * place)}"].value == pytest.approx(expected, abs=0.06)
    smallest = (MEDIAL_GAP - 0.1 * 0.05 * 80) * np.cos(np.arctan(0.1))
    assert found["joint_space_width_medial_minimum"].value == pytest.approx(smallest, abs=0.08)


def test_bone_may_be_dark() -> None:
    radiograph, landmarks = draw_joint()
    assert_gaps(widths(replace(radiograph, pixels=5.0 - 3.0 * radiograph.pixels), landmarks))


def test_edges_count_and_not_the_landmarks() -> None:
    radiograph, landmarks = draw_joint()
    rng = np.random.default_rng(0)
    away = rng.normal(0.0, 0.7 / 0.2, landmarks.points.shape) * [0, 1]
    assert_gaps(widths(radiograph, move(landmarks, away)), tolerance=0.1)


def test_a_line_is_drawn_from_edge_to_edge_in_pixels() -> None:
    spacing = (0.2, 0.4)
    found = widths(*draw_joint(spacing))["joint_space_width_medial_200"]
    top, bottom = found.segments_px[0]
    np.testing.assert_allclose(bottom, [126.0 / 0.4, 120.0 / 0.2], atol=0.4)
    np.testing.assert_allclose((bottom - top) * spacing[::-1], [0.0, MEDIAL_GAP], atol=0.05)
    assert found.source == "edges"
    assert found.uncertainty is not None and 0.05 < found.uncertainty < 0.3


@pytest.mark.parametrize("grey", ["flat", "noise"])
def test_without_edges_there_is_no_value(grey: str) -> None:
    radiograph, landmarks = draw_joint()
    pixels = np.random.default_rng(0).normal(size=radiograph.pixels.shape) if grey == "noise" else 0 * radiograph.pixels
    found = widths(replace(radiograph, pixels=pixels), landmarks)
    missing = [m for m in found.values() if m.value is None]
    assert len(missing) >= len(found) - (grey == "noise")
    assert all("not clear" in m.reason and m.uncertainty is None and not m.segments_px for m in missing)


def test_the_bone_without_an_edge_is_named_and_the_other_compartment_measured() -> None:
    radiograph, landmarks = draw_joint()
    pixels = radiograph.pixels.copy()
    pixels[round(118.0 / 0.2) :, round(105.0 / 0.2) :] = 0.2
    found = widths(replace(radiograph, pixels=pixels), landmarks)
    assert found["joint_space_width_medial"].value is None
    assert found["joint_space_width_medial"].reason == "the edge of the tibia is not clear there"
    assert found["joint_space_width_lateral"].value == pytest.approx(LATERAL_GAP, abs=0.05)


def test_bones_that_touch_leave_no_width() -> None:
    radiograph, landmarks = draw_joint(medial_gap=0.0)
    down = np.zeros((16, 2))
    down[[13, 14], 1] = MEDIAL_GAP / 0.2
    found = widths(radiograph, move(landmarks, down))
    assert found["joint_space_width_medial_minimum"].value == 0.0
    assert found["joint_space_width_lateral_minimum"].value == pytest.approx(LATERAL_GAP, abs=0.05)


def test_beyond_the_border_there_is_no_value() -> None:
    radiograph, landmarks = draw_joint()
    cut = replace(radiograph, pixels=radiograph.pixels[:, : round(110.0 / 0.2)])
    found = widths(cut, landmarks)
    assert found["joint_space_width_medial_minimum"].value is None
    assert found["joint_space_width_lateral_minimum"].value == pytest.approx(LATERAL_GAP, abs=0.05)


def test_an_unsure_place_counts_where_the_gap_is_a_wedge() -> None:
    radiograph, landmarks = draw_joint(narrowing=0.2)
    sure, unsure = (
        widths(radiograph, replace(landmarks, radius_mm=np.full(16, radius)))["joint_space_width_medial_225"]
        for radius in (0.1, 4.0)
    )
    assert sure.uncertainty is not None and unsure.uncertainty is not None
    assert unsure.uncertainty == pytest.approx(np.hypot(sure.uncertainty, 0.2 * 4.0 / 2.146), rel=0.1)


def test_a_path_is_the_best_of_all() -> None:
    """At most three states from column to column, each step at 0.12 times its square."""
    score = np.random.default_rng(3).normal(size=(4, 6))

    def rate(path: tuple[int, ...]) -> float:
        steps = np.abs(np.diff(path))
        return float(score[range(4), path].sum() - 0.12 * (steps**2).sum()) if steps.max() <= 3 else -np.inf

    best = max(itertools.product(range(6), repeat=4), key=rate)
    assert tuple(find_path(score)) == best
