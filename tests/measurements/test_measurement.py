"""What a measurement is."""

from __future__ import annotations

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
