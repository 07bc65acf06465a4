"""How much of the beam each tissue takes.

Attenuation per mm is the mass attenuation coefficient times the density of the ICRU-44 tissues, from NIST's tables
(Hubbell and Seltzer, NISTIR 5632), at the effective energies of a knee's tube voltages (55 to 75 kV).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Tissues", "find_tissues"]

_KEV = np.array([30.0, 40.0, 50.0, 60.0])
# cm2/g times g/cm3, over 10 for mm
_CORTEX = np.array([1.331, 0.6655, 0.4242, 0.3148]) * 1.92 / 10
_MUSCLE = np.array([0.3790, 0.2688, 0.2264, 0.2048]) * 1.06 / 10
_FAT = np.array([0.3063, 0.2396, 0.2123, 0.1974]) * 0.95 / 10


@dataclass(frozen=True)
class Tissues:
    """Attenuation per mm."""

    cortex: float
    muscle: float
    fat: float


def find_tissues(kev: float) -> Tissues:
    """Attenuation at an effective energy from 30 to 60 keV, interpolated in the logarithm."""
    return Tissues(*(float(np.exp(np.interp(kev, _KEV, np.log(table)))) for table in (_CORTEX, _MUSCLE, _FAT)))
