from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kneebundle.annotation import CorrectedPoints, Correction, CorrectionStatus, use_corrections, write_correction
from kneebundle.reports.json_report import to_document
from tests.reports.html.films import make_result
from tests.reports.lateral_results import lateral_result, write_source

POINTS = np.stack([np.arange(16) * 10.0, np.arange(16) * 5.0], axis=1)


def correct(document: dict, folder: Path, *knees: CorrectedPoints, lateral: CorrectedPoints | None = None) -> dict:
    correction = Correction("film", document["image"], {"file": "film.json", "sha256": ""}, knees, lateral)
    write_correction(correction, folder / "corrections", 0)
    return use_corrections({document["image"]["path"]: document}, folder)[document["image"]["path"]]


def test_a_corrected_knee_has_the_new_points_and_no_flag(tmp_path: Path) -> None:
    document = to_document(make_result())
    left = CorrectedPoints("L", "corrected", POINTS, np.ones(16, dtype=bool))
    right = CorrectedPoints("R", "rejected", None, reason="blurred")
    knees = {knee["side"]: knee for knee in correct(document, tmp_path, right, left)["knees"]}
    assert [(p["x_px"], p["y_px"]) for p in knees["L"]["landmarks"]] == [tuple(point) for point in POINTS.tolist()]
    assert (knees["L"]["landmarks"][2]["x_mm"], knees["L"]["landmarks"][2]["y_mm"]) == (20 * 0.4, 10 * 0.5)
    assert knees["L"]["flags"] == []
    assert knees["R"]["landmarks"] == [] and knees["R"]["flags"][0]["message"] == "rejected: blurred"


def test_an_open_knee_and_a_film_without_corrections_stay_as_predicted(tmp_path: Path) -> None:
    document = to_document(make_result())
    assert use_corrections({"film": document}, tmp_path) == {"film": document}
    open_one = CorrectedPoints("L", "open", POINTS)
    (knee,) = correct(document, tmp_path, open_one)["knees"]
    assert knee == document["knees"][1]


def test_a_point_that_is_not_visible_is_missing(tmp_path: Path) -> None:
    points = POINTS.copy()
    points[3] = np.nan
    (knee,) = correct(to_document(make_result()), tmp_path, CorrectedPoints("R", "corrected", points))["knees"]
    assert [p["id"] for p in knee["landmarks"]] == [i for i in range(16) if i != 3]


@pytest.mark.parametrize(("status", "planned"), [("accepted", True), ("corrected", False), ("rejected", False)])
def test_a_lateral_film_keeps_its_plan_where_its_points_stay(
    tmp_path: Path, status: CorrectionStatus, planned: bool
) -> None:
    document = to_document(lateral_result(write_source(tmp_path / "lateral.dcm")))
    item = replace(CorrectedPoints("L", "open", np.ones((4, 2))), status=status)
    found = correct(document, tmp_path, lateral=item)
    assert bool(found["planning"]["schoettle_point"]) is planned
    assert bool(found["planning"]["refused"]) is not planned


def test_a_lateral_film_that_nobody_has_judged_stays_as_predicted(tmp_path: Path) -> None:
    document = to_document(lateral_result(write_source(tmp_path / "lateral.dcm")))
    assert correct(document, tmp_path, lateral=CorrectedPoints("L", "open", np.zeros((4, 2)))) == document


def test_an_open_knee_that_was_added_is_not_there_yet(tmp_path: Path) -> None:
    document = to_document(make_result())
    document["knees"] = document["knees"][:1]
    other = "L" if document["knees"][0]["side"] == "R" else "R"
    item = CorrectedPoints(other, "open", POINTS, added=True)
    assert correct(document, tmp_path, item)["knees"] == []
