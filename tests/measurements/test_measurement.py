"""What a measurement is."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from kneebundle.errors import KneeBundleError
from kneebundle.measurements.measurement import Measurement


def test_a_missing_value_is_none_and_never_nan() -> None:
    assert not Measurement("a", None, "mm", reason="not clear").is_taken
    with pytest.raises(KneeBundleError, match="a missing value is None"):
        Measurement("a", float("nan"), "mm")


def test_units_are_mm_and_degrees() -> None:
    with pytest.raises(KneeBundleError, match="'cm'; mm or deg is needed"):
        Measurement("a", 1.0, "cm")


def test_what_was_measured_stays() -> None:
    taken = Measurement("a", 0.0, "deg")
    assert taken.is_taken and taken.uncertainty is None
    with pytest.raises(FrozenInstanceError):
        taken.value = 1.0  # type: ignore[misc]
