"""The anatomical angle: shafts that lean by known angles, on either side, and films that show too little of them."""

from __future__ import annotations

import pytest

from kneebundle.measurements.knee_pa import measure_knee_pa
from kneebundle.measurements.measurement import Measurement
from tests.measurements.drawn_joints import draw_joint


def angle(**drawn) -> Measurement:  # type: ignore[no-untyped-def]
    return measure_knee_pa(*draw_joint(**drawn))["anatomical_tibiofemoral_angle"]


@pytest.mark.parametrize("left", [False, True])
@pytest.mark.parametrize(("femur", "tibia"), [(6.0, 0.0), (0.0, 0.0), (-2.0, 3.0)])
def test_the_angle_is_that_between_the_shafts_and_positive_in_valgus(left: bool, femur: float, tibia: float) -> None:
    found = angle(left=left, femur_lean=femur, tibia_lean=tibia, spacing_mm=(0.4, 0.3), size_mm=230.0)
    assert found.value == pytest.approx(femur - tibia, abs=0.3)
    assert found.uncertainty is not None and found.uncertainty < 1.0
    assert (found.unit, len(found.segments_px)) == ("deg", 6)


def test_a_turned_leg_has_the_same_angle() -> None:
    found = angle(turn_deg=6.0, femur_lean=5.0, tibia_lean=0.0, spacing_mm=(0.4, 0.4), size_mm=230.0)
    assert found.value == pytest.approx(5.0, abs=0.4)


def test_too_little_of_a_shaft_is_no_angle() -> None:
    radiograph, landmarks = draw_joint((0.4, 0.4), size_mm=190.0)
    found = measure_knee_pa(radiograph, landmarks)["anatomical_tibiofemoral_angle"]
    assert (found.value, found.uncertainty) == (None, None)
    assert found.reason == "less than 30 mm of the tibia's shaft is on the radiograph"


def test_a_collimated_field_ends_the_shaft() -> None:
    radiograph, landmarks = draw_joint((0.4, 0.4), size_mm=230.0)
    radiograph.pixels[: round(25.0 / 0.4)] = 0.0
    found = measure_knee_pa(radiograph, landmarks)["anatomical_tibiofemoral_angle"]
    assert found.reason == "the edges of the femur's shaft are clear over less than 30 mm"
