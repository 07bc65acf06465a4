"""Documents that are whole, and those that are not."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from kneebundle.reports.json_report import read_document, to_document, write_document
from kneebundle.reports.record_check import is_whole
from tests.reports.lateral_results import lateral_result, write_source
from tests.reports.test_json_report import result


def list_places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to each value of a document."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in inner for place in list_places(item, (*path, key)))]


def replace_at(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    changed = copy.deepcopy(document)
    *way, last = path
    parent = changed
    for key in way:
        parent = parent[key]
    parent[last] = value
    return changed


def test_what_was_written_is_whole(tmp_path: Path) -> None:
    lateral = lateral_result(write_source(tmp_path / "a.dcm"))
    for document in (to_document(result()), to_document(lateral, {})):
        assert is_whole(json.loads(json.dumps(document)))
        write_document(document, tmp_path / "a.json")
        assert read_document(tmp_path / "a.json") is not None


NEEDED = ["image", "knees", "side", "landmarks", "measurements", "flags", "x_px", "id", "name", "code", "unit", "path"]


@pytest.mark.parametrize("wrong", [None, 5, "text", [], {}, [None], float("nan")], ids=repr)
def test_another_thing_in_a_needed_place_is_told_or_does_no_harm(wrong: Any, tmp_path: Path) -> None:
    from kneebundle.reports.csv_tables import write_images, write_landmarks, write_measurements

    document = json.loads(json.dumps(to_document(result())))
    told = 0
    for path in list_places(document)[1:]:
        changed = replace_at(document, path, wrong)
        if not is_whole(changed):
            told += 1
            continue
        write_landmarks([changed], tmp_path / "l.csv")
        write_measurements([changed], tmp_path / "m.csv")
        write_images([changed], [], tmp_path / "i.csv")
    assert told > 10


@pytest.mark.parametrize("key", NEEDED)
def test_a_key_that_is_missing_is_told(key: str) -> None:
    document = json.loads(json.dumps(to_document(result())))
    for path in list_places(document)[1:]:
        if path[-1] == key:
            changed = copy.deepcopy(document)
            parent = changed
            for step in path[:-1]:
                parent = parent[step]
            del parent[key]
            assert not is_whole(changed) or path == ("flags",), path
