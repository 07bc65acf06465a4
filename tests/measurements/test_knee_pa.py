"""All measurements of a knee together."""

from __future__ import annotations

import numpy as np
import pytest

from kneebundle.errors import KneeBundleError
from kneebundle.landmarks import KNEE_LATERAL, Landmarks
from kneebundle.measurements.knee_pa import measure_knee_pa
from kneebundle.radiograph import Radiograph
from tests.measurements.drawn_joints import draw_joint


def test_every_knee_has_the_same_names_with_mm_or_degrees() -> None:
    radiograph, landmarks = draw_joint((0.5, 0.5), size_mm=160.0)
    found = measure_knee_pa(radiograph, landmarks)
    blank = measure_knee_pa(Radiograph(np.zeros((50, 50)), (0.5, 0.5)), landmarks)
    assert list(found) == list(blank) == [m.name for m in found.values()]
    assert {name for name, m in found.items() if m.unit == "deg"} == {
        "joint_line_convergence_angle",
        "tibial_plateau_tilt",
        "anatomical_tibiofemoral_angle",
    }
    assert "hip_knee_ankle_angle" not in found
    assert blank["femoral_width"].value == found["femoral_width"].value


def test_landmarks_in_mm_and_in_pixels_measure_the_same() -> None:
    radiograph, landmarks = draw_joint((0.5, 0.4))
    pixels, mm = (measure_knee_pa(radiograph, p) for p in (landmarks, landmarks.to_mm(radiograph.spacing_mm)))
    assert {n: m.value for n, m in pixels.items()} == {n: m.value for n, m in mm.items()}


def test_landmarks_on_one_place_are_measured_without_an_error() -> None:
    found = measure_knee_pa(Radiograph(np.eye(50), (0.5, 0.5)), Landmarks(np.full((16, 2), 20.0)))
    assert found["femoral_width"].value == 0.0
    assert found["joint_space_width_medial"].value is None


@pytest.mark.parametrize(
    ("landmarks", "message"),
    [
        (Landmarks(np.zeros((2, 2)), "px", KNEE_LATERAL), "got landmarks 'knee_lateral'"),
        (Landmarks(np.full((16, 2), np.nan)), "some of the landmarks are missing"),
    ],
)
def test_other_or_missing_landmarks_raise_an_error(landmarks: Landmarks, message: str) -> None:
    with pytest.raises(KneeBundleError, match=message):
        measure_knee_pa(Radiograph(np.eye(50), (0.5, 0.5)), landmarks)
