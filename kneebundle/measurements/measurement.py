"""What a measurement is: a number with its unit, its uncertainty and the lines that show how it was taken."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kneebundle.errors import KneeBundleError

__all__ = ["UNITS", "Measurement"]

UNITS = ("mm", "deg")
"""Units of measurements."""


@dataclass(frozen=True)
class Measurement:
    """One measurement of one knee.

    Attributes:
        name: what is measured (docs/measurements.md defines each).
        value: in ``unit``; None where it could not be taken, and ``reason`` then says why.
        unit: one of :data:`UNITS`.
        uncertainty: standard deviation of the value's error in ``unit``; None where it is not known.
        segments_px: lines that show how it was taken, each (N, 2) x, y in pixels of the radiograph as displayed; the
            first is the one measured along, if there is one.
        source: ``"edges"`` of the bones, or ``"landmarks"``.
        reason: why there is no value; empty where there is one.

    Raises:
        KneeBundleError: for another unit, or for a value that is not finite.

    Example:
        >>> width = Measurement("femoral_width", 84.0, "mm", 0.8, (np.array([[10.0, 20.0], [430.0, 20.0]]),))
        >>> width.value, width.is_taken
        (84.0, True)
    """

    name: str
    value: float | None
    unit: str
    uncertainty: float | None = None
    segments_px: tuple[np.ndarray, ...] = ()
    source: str = "landmarks"
    reason: str = ""

    def __post_init__(self) -> None:
        if self.unit not in UNITS:
            raise KneeBundleError(f"the unit of {self.name} is {self.unit!r}; {' or '.join(UNITS)} is needed")
        if self.value is not None and not np.isfinite(self.value):
            raise KneeBundleError(f"the value of {self.name} is {self.value}; a missing value is None")

    @property
    def is_taken(self) -> bool:
        """Whether there is a value."""
        return self.value is not None
