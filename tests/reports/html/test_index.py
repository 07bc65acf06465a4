"""The index over a folder, as text."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from kneebundle.reports.html.index import render_index, write_index
from tests.reports.html.films import make_documents


def read_data(page: str) -> dict:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page)
    assert found is not None
    return json.loads(found[1])


def test_a_row_a_knee_with_what_is_there_of_it() -> None:
    page = render_index(make_documents(10), [("lost.dcm", "cannot be read")], {"film_0000"}, {"film_0001"})
    data = read_data(page)
    assert len(data["rows"]) == 9 * 2 + 1 + 1
    first, second = data["rows"][0], data["rows"][2]
    assert (first["side"], first["page"], first["picture"]) == ("R", "film_0000.html", None)
    assert (second["page"], second["picture"]) == (None, "thumbnails/film_0001.jpg")
    assert first["values"][0] == 2.0 and first["confidence"] == 0.75
    assert data["measurements"][0] == {
        "name": "joint_space_width_medial_minimum",
        "label": "Joint space width medial, minimum",
        "unit": "mm",
    }
    assert data["rows"][-1]["flags"] == [["refused", "cannot be read"]]


def test_a_missing_value_stays_missing() -> None:
    data = read_data(render_index(make_documents(10), [], set(), set()))
    implant = next(row for row in data["rows"] if row["name"] == "film_0009")
    assert implant["values"] == [] and implant["confidence"] is None
    assert len(data["rows"][0]["values"]) == 2  # the third measurement was not taken


def test_a_name_cannot_end_the_data(tmp_path: Path) -> None:
    name = "</script><img src=x onerror=alert(1)>"
    (document,) = make_documents(1).values()
    page = render_index({name: {**document, "image": {**document["image"], "path": name}}}, [], {name}, set())
    assert name not in page
    assert read_data(page)["rows"][0]["path"] == name
    assert read_data(page)["rows"][0]["page"] == "%3C/script%3E%3Cimg%20src%3Dx%20onerror%3Dalert%281%29%3E.html"


def test_a_name_that_is_no_text_is_referred_to(tmp_path: Path) -> None:
    name = os.fsdecode(b"knee_M\xfcller")
    page = render_index(dict.fromkeys([name], *make_documents(1).values()), [], {name}, {name})
    row = read_data(page)["rows"][0]
    assert (row["page"], row["picture"]) == ("knee_M%FCller.html", "thumbnails/knee_M%FCller.jpg")
    page.encode()


def test_an_empty_folder_has_an_index(tmp_path: Path) -> None:
    write_index({}, [], tmp_path)
    assert read_data((tmp_path / "index.html").read_text())["rows"] == []
