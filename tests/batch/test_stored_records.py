"""Records that are read when they are asked for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kneebundle.batch.stored_records import StoredRecords


def test_records_come_in_their_order_and_none_is_kept(tmp_path: Path) -> None:
    places = {name: tmp_path / f"{name}.json" for name in ("b", "a")}
    for name, place in places.items():
        place.write_text(json.dumps({"name": name, "wörter": "ä"}), encoding="utf-8")
    records = StoredRecords(places)
    assert [(name, record["name"]) for name, record in records.items()] == [("b", "b"), ("a", "a")]
    assert len(records) == 2 and records["a"] is not records["a"]
    with pytest.raises(KeyError):
        records["c"]
