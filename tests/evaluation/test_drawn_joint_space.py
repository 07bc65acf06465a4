"""The joint space of drawn knees: its true widths, and how near the measured ones come."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kneebundle.evaluation import drawn_joint_space
from kneebundle.evaluation.drawn_joint_space import compare_drawn_knees, format_agreement, true_joint_space
from kneebundle.landmarks import Landmarks
from kneebundle.measurements.knee_pa import measure_knee_pa
from kneebundle.measurements.measurement import Measurement
from kneebundle.radiograph import Radiograph
from tests.measurements.drawn_joints import right_knee


def test_true_widths_are_those_between_the_outlines() -> None:
    x = np.arange(60.0, 143.0, 0.05)
    outlines = {
        "femur": np.stack([x, np.where(x > 100, 116.0, 114.0)], axis=1) / [0.4, 0.2],
        "tibia": np.stack([x, np.full(len(x), 120.0)], axis=1) / [0.4, 0.2],
    }
    truth = true_joint_space(Landmarks(right_knee() / [0.4, 0.2]), outlines, (0.2, 0.4))
    assert len(truth) == 20
    for name, width in truth.items():
        assert width == pytest.approx(4.0 if "medial" in name else 6.0), name


def test_measured_widths_agree_with_drawn_knees() -> None:
    rows = compare_drawn_knees(3, seed=1, spacings_mm=(0.3,))
    assert max(row.missing for row in rows) < 0.5
    mean = next(row for row in rows if row.name == "joint_space_width_lateral")
    assert 0.1 < mean.bias_mm < 0.5
    assert mean.deviation_mm < 0.3
    assert format_agreement(rows).splitlines()[0].split()[0] == "measurement"


def test_a_width_that_was_measured_on_no_knee_is_missing_on_all(monkeypatch: pytest.MonkeyPatch) -> None:
    def measure(radiograph: Radiograph, landmarks: Landmarks) -> dict[str, Measurement]:
        found = dict(measure_knee_pa(radiograph, landmarks))
        return {name: replace(one, value=None, uncertainty=None) for name, one in found.items()}

    monkeypatch.setattr(drawn_joint_space, "measure_knee_pa", measure)
    rows = compare_drawn_knees(1, seed=1, spacings_mm=(0.5,))
    assert rows and all((row.count, row.missing) == (0, 1.0) and np.isnan(row.bias_mm) for row in rows)
    assert "100.0" in format_agreement(rows).splitlines()[1]
