"""Repeatability: what is done to a radiograph, and the spread of what is measured on it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from kneebundle.errors import KneeBundleError
from kneebundle.evaluation.repeatability import (
    KINDS,
    format_repeatability,
    measure_repeatability,
    vary,
    write_repeatability,
)
from kneebundle.measurements.measurement import Measurement
from kneebundle.radiograph import Radiograph
from kneebundle.results import KneeResult, RadiographResult


def ramp() -> Radiograph:
    """Grey values are millimetres to the right; pixels are twice as high as wide."""
    return Radiograph(np.tile(np.arange(200) * 0.5, (100, 1)), (1.0, 0.5))


def test_a_scaled_radiograph_shows_the_same_millimetres() -> None:
    changed, _ = vary(ramp(), "scale", np.random.default_rng(0))
    assert changed.columns != 200
    column = changed.columns // 2
    assert changed.pixels[50, column] == pytest.approx(column * changed.spacing_mm[1], abs=0.05)


def test_a_turned_radiograph_is_turned_in_millimetres() -> None:
    changed, degrees = vary(ramp(), "turn", np.random.default_rng(0))
    # clockwise by a: what was to the right of the middle lies lower, so that grey falls downwards at the middle
    slope = (changed.pixels[60, 100] - changed.pixels[40, 100]) / 20.0
    assert slope == pytest.approx(np.sin(np.radians(degrees)), abs=0.01)
    assert abs(degrees) > 0.5


def test_a_shift_and_noise_keep_size_and_spacing() -> None:
    for kind in ("shift", "noise"):
        changed, _ = vary(ramp(), kind, np.random.default_rng(0))
        assert (changed.pixels.shape, changed.spacing_mm) == ((100, 200), (1.0, 0.5))
        assert np.abs(changed.pixels - ramp().pixels).max() > 0.5
    with pytest.raises(ValueError, match="a kind is one of shift, turn, scale, noise"):
        vary(ramp(), "stretch", np.random.default_rng(0))


def test_spread_within_knees_is_pooled_and_what_is_missing_counted() -> None:
    values = iter([10.0, 12.0, None, 10.0, 10.0])

    def predict(radiographs: Sequence[Radiograph]) -> list[RadiographResult | KneeBundleError]:
        results: list[RadiographResult | KneeBundleError] = []
        for radiograph in radiographs:
            width = Measurement("femoral_width", next(values), "mm", 0.5)
            knee = KneeResult("R", (0, 0), 140.0, None, measurements={"femoral_width": width})
            results.append(RadiographResult(radiograph, (knee,)))
        return results

    (row,) = measure_repeatability(predict, [ramp()], variants=1)
    assert row.deviation["shift"] == pytest.approx(np.std([10.0, 12.0], ddof=1))
    assert np.isnan(row.deviation["turn"])
    assert row.deviation["all"] == pytest.approx(np.std([10.0, 12.0, 10.0, 10.0], ddof=1))
    assert (row.count, row.missing, row.stated) == (4, pytest.approx(0.2), pytest.approx(0.5))
    assert list(row.deviation) == [*KINDS, "all"]


def test_the_tilt_of_a_turned_radiograph_is_expected_to_change(tmp_path) -> None:  # type: ignore[no-untyped-def]
    def predict(radiographs: Sequence[Radiograph]) -> list[RadiographResult]:
        results = []
        for radiograph in radiographs:
            slope = (radiograph.pixels[60, 100] - radiograph.pixels[40, 100]) / 20.0
            turned = np.degrees(np.arcsin(slope))
            knees = tuple(
                KneeResult(side, (0, 0), 1.0, None, measurements={"tibial_plateau_tilt": tilt})  # type: ignore[arg-type]
                for side, tilt in (
                    ("R", Measurement("tibial_plateau_tilt", float(1.0 - turned), "deg")),
                    ("L", Measurement("tibial_plateau_tilt", float(2.0 + turned), "deg")),
                )
            )
            results.append(RadiographResult(radiograph, knees))
        return results

    rows = measure_repeatability(predict, [ramp()], variants=3)
    assert rows[0].deviation["turn"] < 0.05
    write_repeatability(rows, tmp_path / "r.csv")
    lines = (tmp_path / "r.csv").read_text().splitlines()
    assert lines[0] == "name,unit,sd_shift,sd_turn,sd_scale,sd_noise,sd_all,stated_sd,values,missing"
    assert lines[1].startswith("tibial_plateau_tilt,deg,") and lines[1].endswith(",,26,0.0")
    assert format_repeatability(rows).splitlines()[1].startswith("tibial_plateau_tilt   deg")
