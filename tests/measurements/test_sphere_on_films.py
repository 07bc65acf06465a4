"""The measuring sphere on drawn films of knees."""

from __future__ import annotations

import numpy as np
import pytest

from kneebundle.measurements.calibration_sphere import find_sphere
from kneebundle.phantoms.lateral import draw_lateral_knee


@pytest.mark.slow
def test_spheres_are_found_and_nothing_else_is_taken_for_one() -> None:
    errors, found_without = [], 0
    for number in range(24):
        knee = draw_lateral_knee(np.random.default_rng([5, number]), 256, sphere=number % 2 == 0)
        found = find_sphere(knee.image)
        if knee.sphere is None:
            found_without += found is not None
        elif found is None or np.hypot(found.x - knee.sphere.x, found.y - knee.sphere.y) > 2.0:
            errors.append(np.inf)
        else:
            errors.append(abs(found.radius_px / knee.sphere.radius_px - 1))
    assert len(errors) >= 10
    assert found_without == 0
    assert np.mean(np.isfinite(errors)) >= 0.9
    assert np.median(errors) < 0.015
    assert np.max(np.array(errors)[np.isfinite(errors)]) < 0.05
