"""Conformal radii: spread and factor by hand, coverage of new knees, the file."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from kneebundle.errors import KneeBundleError
from kneebundle.pipelines.landmark_model import LandmarkModel
from kneebundle.pipelines.uncertainty import (
    ConformalRadii,
    calibrate_radii,
    confidence_to_spread,
    find_conformal_factor,
)


def test_spread_is_the_inverse_of_the_networks_confidence() -> None:
    spread = np.array([0.5, 2.1, 8.0])
    np.testing.assert_allclose(confidence_to_spread(1 / (1 + spread / 2.1), 2.1), spread)


@pytest.mark.parametrize(("level", "wanted"), [(0.8, 8.0), (0.5, 5.0), (0.95, 9.0)])
def test_factor_is_an_order_statistic(level: float, wanted: float) -> None:
    # nine ratios: the ceil(10 * level)-th, at most the ninth
    assert find_conformal_factor(np.arange(9, 0, -1), level) == wanted


def test_new_knees_are_covered_as_promised(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    spread = rng.uniform(0.3, 3.0, (40000, 2))
    confidence = 1 / (1 + spread / 2.1)
    errors = np.abs(rng.normal(size=spread.shape)) * (spread + 0.5) * [1.0, 2.0]
    radii = calibrate_radii(errors[:20000], confidence[:20000], 2.1, floor_mm=0.5)
    for level in (0.8, 0.9, 0.95):
        covered = (errors[20000:] <= radii.radius_mm(confidence[20000:], level)).mean(0)
        np.testing.assert_allclose(covered, level, atol=0.02)
    np.testing.assert_allclose(radii.factors[1], [1.645, 3.29], rtol=0.06)
    radii.save(tmp_path / "uncertainty.json")
    again = ConformalRadii.load(tmp_path / "uncertainty.json")
    np.testing.assert_allclose(again.radius_mm(confidence), radii.radius_mm(confidence), rtol=1e-3)


def test_other_levels_and_broken_files_are_errors(tmp_path: Path) -> None:
    radii = ConformalRadii(2.1, 0.5, (0.9,), np.ones((1, 16)))
    with pytest.raises(KneeBundleError, match="known at 0.9"):
        radii.radius_mm(np.ones(16), 0.8)
    (tmp_path / "u.json").write_text("{}")
    with pytest.raises(KneeBundleError, match="cannot be used"):
        ConformalRadii.load(tmp_path / "u.json")


def test_the_shipped_calibration_is_for_the_shipped_weights_alone(repository: Path) -> None:
    bundle, device = repository / "bundles" / "knee_landmark_localization", torch.device("cpu")
    confidence = np.linspace(0.3, 0.7, 16)
    radii = LandmarkModel(bundle, device).estimate_radii(confidence)
    assert radii is not None and radii.shape == (16,)
    assert (radii > 1.0).all() and (radii < 8.0).all()
    shipped = ConformalRadii.load(bundle / "models" / "uncertainty.json")
    wider = [shipped.radius_mm(confidence, level) for level in (0.8, 0.9, 0.95)]
    assert (np.diff(wider, axis=0) > 0).all()
    np.testing.assert_array_equal(radii, wider[1])
    assert LandmarkModel(bundle, device, [bundle / "models" / "model_fold0.pt"]).estimate_radii(confidence) is None


@pytest.mark.parametrize(("ratios", "level"), [([], 0.9), ([1.0], 0.0), ([1.0], 1.0), ([1.0], -0.5)])
def test_no_factor_can_be_found_for_nothing_or_for_certainty(ratios: list[float], level: float) -> None:
    with pytest.raises(ValueError, match=r"needs ratios and a level in \(0, 1\)"):
        find_conformal_factor(np.array(ratios), level)


def test_a_file_with_another_number_of_rows_than_levels_is_an_error(tmp_path: Path) -> None:
    ConformalRadii(2.1, 0.5, (0.9,), np.ones((1, 16))).save(tmp_path / "u.json")
    content = json.loads((tmp_path / "u.json").read_text())
    for levels in (["0.8", "0.9"], []):
        (tmp_path / "u.json").write_text(json.dumps({**content, "levels": levels}))
        with pytest.raises(KneeBundleError, match="needs a row of factors for each level|cannot be used"):
            ConformalRadii.load(tmp_path / "u.json")


def test_wider_radii_are_wider_everywhere_alike() -> None:
    radii = ConformalRadii(2.1, 0.5, (0.8, 0.9), np.arange(1.0, 33.0).reshape(2, 16))
    for level in (0.8, 0.9):
        np.testing.assert_allclose(
            radii.widen(1.5).radius_mm(np.full(16, 0.7), level), 1.5 * radii.radius_mm(np.full(16, 0.7), level)
        )
