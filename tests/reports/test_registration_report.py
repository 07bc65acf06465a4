"""The JSON document of a registration."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from kneebundle.radiograph import Radiograph
from kneebundle.reports.registration_report import make_registration_document, read_registration, write_registration
from tests.registration.crops import picture, register_by_theta


def test_what_is_not_registered_has_the_transform_that_changes_nothing() -> None:
    result = register_by_theta(Radiograph(picture(), (0.5, 0.5)), "L", registered=False)
    document = make_registration_document(result)
    assert document["registered"] is False and document["energy"] == -1.5
    assert document["theta"] == [1.0, 0.0, 0.0, 0.0]
    np.testing.assert_allclose(document["matrix"], [[1, 0, 0], [0, 1, 0]], atol=1e-6)


def test_what_was_written_is_read_and_anything_else_is_none(tmp_path: Path) -> None:
    radiograph = Radiograph(picture(), (0.5, 0.5), "a.png")
    write_registration(register_by_theta(radiograph), tmp_path, "a")
    found = read_registration(tmp_path / "a.json")
    assert found is not None and found["registered"] is True
    for text in ("", "{", "[]", "[" * 100_000, json.dumps({**found, "schema": "a"}), json.dumps({**found, "image": 3})):
        (tmp_path / "a.json").write_text(text)
        assert read_registration(tmp_path / "a.json") is None
    assert read_registration(tmp_path / "none.json") is None
