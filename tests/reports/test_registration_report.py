"""The JSON document of a registration."""

from __future__ import annotations

import numpy as np

from kneebundle.radiograph import Radiograph
from kneebundle.reports.registration_report import make_registration_document
from tests.registration.crops import picture, register_by_theta


def test_what_is_not_registered_has_the_transform_that_changes_nothing() -> None:
    result = register_by_theta(Radiograph(picture(), (0.5, 0.5)), "L", registered=False)
    document = make_registration_document(result)
    assert document["registered"] is False and document["energy"] == -1.5
    assert document["theta"] == [1.0, 0.0, 0.0, 0.0]
    np.testing.assert_allclose(document["matrix"], [[1, 0, 0], [0, 1, 0]], atol=1e-6)
