"""The shape model of the knee's landmarks."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from kneebundle.errors import KneeBundleError
from kneebundle.measurements.knee_shape import fit_shape_model, load_shape_model


def _medial_gap(points: np.ndarray) -> float:
    """Height of the joint space in mm over the tibia at femoral landmark 14."""
    return float(np.interp(points[14, 0], points[:9, 0], points[:9, 1]) - points[14, 1])


def _annotations(path: Path) -> tuple[np.ndarray, np.ndarray]:
    with path.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    points = [[float(v) for v in f"{row['tibia']},{row['femur']}".split(",")] for row in rows]
    return np.array(points).reshape(-1, 16, 2) * 0.3, np.array([int(row["kl"]) for row in rows])


def test_shipped_numbers_are_those_of_the_annotations(shared_data: Path) -> None:
    fitted = fit_shape_model(*_annotations(shared_data / "kneel_oai_annotations.csv"))
    shipped = load_shape_model()
    for name in shipped.__dataclass_fields__:
        np.testing.assert_allclose(getattr(shipped, name), getattr(fitted, name), atol=1e-3)


def test_modes_explain_the_annotations(shared_data: Path) -> None:
    """Sixteen modes leave less than 0.5 mm (root mean square) of any landmark coordinate unexplained."""
    points, _ = _annotations(shared_data / "kneel_oai_annotations.csv")
    model = load_shape_model()
    rest = [model.points(model.scores(p)) - (p - p[4]) for p in points]
    assert np.sqrt(np.mean(np.square(rest))) < 0.5


def test_mean_is_the_point_of_zero_scores() -> None:
    model = load_shape_model()
    np.testing.assert_array_equal(model.points(np.zeros(len(model.modes))), model.mean)


def test_joint_space_narrows_with_the_grade() -> None:
    model, rng = load_shape_model(), np.random.default_rng(0)
    gaps = [np.mean([_medial_gap(model.draw(rng, kl)) for _ in range(80)]) for kl in (0, 2, 3, 4)]
    assert gaps[0] > gaps[2] + 0.5 > gaps[3] + 1.0
    assert gaps[0] == pytest.approx(4.7, abs=0.4)
    assert gaps[1] == pytest.approx(4.6, abs=0.4)


def test_drawn_knees_keep_the_order_of_landmarks_and_a_gap() -> None:
    model, rng = load_shape_model(), np.random.default_rng(1)
    for kl in range(5):
        for _ in range(20):
            points = model.draw(rng, kl, min_gap_mm=0.3)
            assert (points[4] == 0).all()
            assert (np.diff(points[:9, 0]) > 0).all() and (np.diff(points[9:, 0]) > 0).all()
            assert _medial_gap(points) > 0.3


def test_grade_five_raises_an_error() -> None:
    with pytest.raises(KneeBundleError, match="grade is 5; it must be 0, 1, 2, 3 or 4"):
        load_shape_model().draw(np.random.default_rng(0), 5)
