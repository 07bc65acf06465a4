"""What the page is told, and what is made of what it sends: statuses, pixels as stored, errors."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kneebundle.annotation.corrections import Correction
from kneebundle.annotation.films import PredictedFilms
from kneebundle.annotation.page_data import describe_film, list_films, make_correction
from kneebundle.errors import KneeBundleError
from kneebundle.landmarks import LATERAL_POINTS
from tests.annotation.studies import get_film, knee_points, make_study


def send(out: Path, name: str, change: Any = None, status: str = "accepted") -> Correction:
    """What a page that opens a radiograph, changes something and accepts all of it has saved."""
    film, radiograph = get_film(out, name)
    page = describe_film(film, None, radiograph)
    items = [{key: item[key] for key in ("side", "reason", "points")} for item in page["items"]]
    content = {"revision": 0, "status": status, "items": [{**item, "status": status} for item in items]}
    if change is not None:
        change(content)
    return make_correction(film, radiograph, content, "Ann")[0]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return make_study(tmp_path)


def test_the_list_says_what_is_known_of_each(out: Path) -> None:
    rows = {row["name"]: row for row in list_films(PredictedFilms(out).scan(), {"both": send(out, "both")})}
    assert rows["both"]["status"] == "accepted" and rows["none"]["status"] == "new"
    assert rows["implant"]["flags"] == ["implant"]
    assert rows["both"]["confidence"] == 0.5 and rows["implant"]["confidence"] is None
    assert rows["side"]["view"] == "lateral"


def test_the_page_sees_the_radiograph_as_displayed(out: Path) -> None:
    film, radiograph = get_film(out, "turned")
    page = describe_film(film, None, radiograph)
    np.testing.assert_allclose(page["items"][0]["points"], knee_points("R", (150.0, 140.0), (0.5, 0.4)), atol=1e-3)
    assert page["spacing_mm"] == [0.5, 0.4]
    first = film.document["knees"][0]["landmarks"][0]
    assert first["x_px"] == pytest.approx(399 - page["items"][0]["points"][0][0], abs=2e-3)  # stored mirrored


def test_points_are_saved_as_stored_and_unchanged_ones_are_accepted(out: Path) -> None:
    correction = send(out, "turned")
    assert correction.status == "accepted"
    film, _ = get_film(out, "turned")
    stored = [(point["x_px"], point["y_px"]) for point in film.document["knees"][0]["landmarks"]]
    np.testing.assert_array_equal(correction.knees[0].points, stored)

    def move(content: dict) -> None:
        content["items"][0]["points"][0][0] += 10
        content["items"][0]["points"][5] = None

    moved = send(out, "turned", move).knees[0]
    assert moved.points is not None and moved.moved is not None
    assert moved.status == "corrected" and np.flatnonzero(moved.moved).tolist() == [0, 5]
    assert moved.points[0, 0] == pytest.approx(stored[0][0] - 10)
    assert np.isnan(moved.points[5]).all()


def test_what_is_saved_is_shown_again(out: Path) -> None:
    def reject(content: dict) -> None:
        content["items"][0]["points"][2] = [12.5, 30.25]
        content["items"][1].update(status="rejected", reason="cut\n off")

    film, radiograph = get_film(out, "both")
    page = describe_film(film, send(out, "both", reject), radiograph)
    right, left = page["items"]
    assert (right["status"], right["points"][2]) == ("accepted", [12.5, 30.25])
    assert right["predicted"][2] != [12.5, 30.25]
    assert (left["status"], left["reason"]) == ("rejected", "cut off")
    assert not page["stale"]


def test_a_prediction_that_was_made_again_is_said_and_its_new_knees_are_shown(out: Path) -> None:
    correction = send(out, "both", lambda content: content["items"].pop())
    film, radiograph = get_film(out, "both")
    other = Correction(**{**correction.__dict__, "prediction": {"file": "both.json", "sha256": "f" * 64}})
    page = describe_film(film, other, radiograph)
    assert page["stale"]
    assert [(item["side"], item["status"]) for item in page["items"]] == [("R", "accepted"), ("L", "open")]


def test_a_knee_that_was_not_found_is_added(out: Path) -> None:
    def add(content: dict) -> None:
        points = knee_points("L", (200.0, 150.0), (0.5, 0.5)).tolist()
        content["items"].append({"side": "L", "status": "accepted", "points": points})

    knee = send(out, "none", add).knees[0]
    assert (knee.side, knee.status, knee.added) == ("L", "corrected", True)
    assert knee.moved is not None and knee.moved.all()


def test_a_radiograph_without_knees_and_a_knee_without_points_can_be_right(out: Path) -> None:
    assert send(out, "none").status == "accepted"
    assert send(out, "none", status="open").status == "open"
    knee = send(out, "implant").knees[0]
    assert knee.status == "accepted" and knee.points is None


def test_a_lateral_radiograph_has_its_points_and_the_ends_of_the_cortex_line(out: Path) -> None:
    film, radiograph = get_film(out, "side")
    item = describe_film(film, None, radiograph)["items"][0]
    points = dict(zip(LATERAL_POINTS, item["points"], strict=True))
    assert points == {"p_blum": [214, 180], "p_tmc": [201, 160], "p_prox": [200, 80], "p_dist": [200, 150]}
    assert describe_film(film, None, radiograph)["anterior"] == [1, 0]
    assert send(out, "side").items[0].status == "accepted"


GOOD = {"revision": 0, "items": [{"side": s, "status": "open", "reason": "", "points": None} for s in "RL"]}


def changed(path: str, value: Any) -> dict:
    content: Any = copy.deepcopy(GOOD)
    *way, last = path.split(".")
    place = content
    for step in way:
        place = place[int(step) if step.isdigit() else step]
    place[last] = value
    return content


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ([], "an object with revision"),
        ({"revision": 0}, "an object with revision"),
        (changed("revision", -1), "revision is '-1'"),
        (changed("revision", True), "revision is 'True'"),
        (changed("items", [None]), "an item is an object"),
        (changed("items.0.side", "B"), "side is 'B'"),
        (changed("items.0.side", ["R"]), "side is"),
        (changed("items.0.side", "L"), "the same side"),
        (changed("items.0.status", "corrected"), "status is 'corrected'"),
        (changed("items.0.status", []), "status is"),
        (changed("items.0.reason", "x" * 501), "at most 500"),
        (changed("items.0.status", "rejected"), "for a reason"),
        (changed("items.0.points", [[1, 2]] * 15), "a list of 16"),
        (changed("items.0.points", [[1, 2]] * 15 + [[1]]), "femur_medial_edge is"),
        (changed("items.0.points", [[1, 2]] * 15 + [[1, "2"]]), "two numbers"),
        (changed("items.0.points", [[1, 2]] * 15 + [[1, True]]), "two numbers"),
        (changed("items.0.points", [[1, 2]] * 15 + [[float("inf"), 2]]), "far outside"),
        (changed("items.0.points", [[1, 2]] * 15 + [[10**400, 2]]), "far outside"),
        (changed("items.0.points", [[1, 2]] * 15 + [[float("nan"), 2]]), "far outside"),
    ],
)
def test_what_is_wrong_is_said(out: Path, content: Any, problem: str) -> None:
    film, radiograph = get_film(out, "both")
    make_correction(film, radiograph, copy.deepcopy(GOOD), "")
    with pytest.raises(KneeBundleError, match=problem):
        make_correction(film, radiograph, content, "")


def test_a_lateral_radiograph_has_one_item(out: Path) -> None:
    with pytest.raises(KneeBundleError, match="a lateral radiograph has one"):
        send(out, "side", lambda content: content["items"].clear())


def test_points_of_which_none_is_visible_are_no_points(out: Path) -> None:
    def hide(content: dict) -> None:
        for item in content["items"]:
            item |= {"points": [None] * len(item["points"]), "reason": "blurred"}

    with_points = send(out, "both")
    assert all(item.points is not None for item in with_points.items)
    assert all(item.points is None for item in send(out, "both", hide, "rejected").items)


def test_a_lateral_film_without_its_line_has_the_points_alone(out: Path) -> None:
    record = json.loads((out / "side.json").read_text())
    record["planning"]["lines"] = {}
    (out / "side.json").write_text(json.dumps(record))
    film, radiograph = get_film(out, "side")
    points = describe_film(film, None, radiograph)["items"][0]["points"]
    assert [point is None for point in points] == [False, False, True, True]
