"""The page about one radiograph, as text."""

from __future__ import annotations

import hashlib
import json
import re
from base64 import b64decode, b64encode
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kneebundle.orientation import Orientation
from kneebundle.radiograph import Radiograph
from kneebundle.reports.html.frame import Frame
from kneebundle.reports.html.pictures import FilmPictures
from kneebundle.reports.html.study import render_study_page
from kneebundle.reports.json_report import to_document
from kneebundle.reports.planning_json import make_planning_document
from tests.reports.html.films import ROWS, SPACING, make_radiograph, make_result, without_landmarks
from tests.reports.lateral_results import POINT, lateral_result, write_source


@pytest.fixture
def page() -> str:
    result = make_result()
    return render_study_page(to_document(result), result.radiograph)


def test_numbers_have_unit_and_uncertainty_and_a_missing_one_says_why(page: str) -> None:
    row = re.search(r'<tr data-name="joint_space_width_medial_minimum">.*?</tr>', page)
    assert row is not None
    assert re.findall(r"<td[^>]*>(.*?)</td>", row[0]) == ["4.26", "± 0.12", "mm"]
    row = re.search(r'<tr data-name="anatomical_tibiofemoral_angle">.*?</tr>', page)
    assert row is not None
    assert "no shaft is on the radiograph" in row[0] and ">0" not in row[0]


def test_flags_have_their_sentences(page: str) -> None:
    assert '<li data-code="side_guessed"><code>side_guessed</code> the side was guessed' in page


def test_only_the_own_script_and_style_may_run(page: str) -> None:
    policy = re.search(r'Content-Security-Policy" content="(.*?)"', page)
    assert policy is not None
    for tag in ("script", "style"):
        (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, flags=re.DOTALL)
        digest = b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy[1]
    assert policy[1].startswith("default-src 'none'; img-src data:;")
    assert "style=" not in page and not re.search(r"\son\w+=", page)
    assert not re.search(r"(src|href|action)=[\"']?(https?:)?//", page)


def test_a_name_is_shown_and_not_run() -> None:
    result = make_result("films/<img src=x onerror=alert(1)>\"'&.png")
    page = render_study_page(to_document(result), result.radiograph)
    assert "<img src=x" not in page
    assert "<h1>&lt;img src=x onerror=alert(1)&gt;&quot;&#x27;&amp;.png</h1>" in page


def test_points_lie_in_mm_of_the_displayed_film_whatever_way_it_is_stored() -> None:
    upright, upside_down = (make_result(orientation=o) for o in (None, Orientation(flip_rows=True, transpose=True)))
    pages = [render_study_page(to_document(r), r.radiograph) for r in (upright, upside_down)]
    places = [
        np.array(re.findall(r'<circle class="dot \w+" data-id="\d+" cx="([\d.]+)" cy="([\d.]+)"', page), dtype=float)
        for page in pages
    ]
    assert places[0].shape == (64, 2)  # each of 32 points on the film and on its knee
    np.testing.assert_allclose(places[0], places[1], atol=0.002)


def test_the_way_back_leads_to_the_stored_file() -> None:
    radiograph = make_radiograph(orientation=Orientation(flip_rows=True))
    matrix = np.array(Frame(radiograph).to_stored())
    np.testing.assert_allclose(matrix @ [0.4 * 7, 0.5 * 5, 1], [7, ROWS - 1 - 5])


def test_a_knee_that_was_not_measured_and_a_film_without_knees_say_so() -> None:
    result = without_landmarks(make_result())
    page = render_study_page(to_document(result), result.radiograph)
    assert "This knee was not measured." in page and "there is a knee replacement" in page
    assert 'class="dot' not in page
    none = replace(result, knees=())
    assert "No knee was found on this radiograph." in render_study_page(to_document(none), none.radiograph)


def test_a_lateral_film_has_bones_lines_and_the_point(tmp_path: Path) -> None:
    result = lateral_result(write_source(tmp_path / "lateral.dcm"))
    masks = {bone: result.masks[bone] for bone in result.bones}
    page = render_study_page(to_document(result), result.radiograph, masks)
    assert set(re.findall(r'data-bone="(\w+)"', page)) == {"femur", "tibia"}
    assert set(re.findall(r'class="plan-line (\w+)"', page)) == {"LM1", "LM2", "LM3"}
    place = re.search(r'<circle class="dot schoettle" cx="([\d.]+)" cy="([\d.]+)"', page)
    assert place is not None
    np.testing.assert_allclose([float(v) for v in place.groups()], [POINT[0] * 1.5, POINT[1] * 1.0])
    assert make_planning_document(result, {})["refused"] is None
    assert "the sphere and the file differ" in page
    assert "Mustermann" not in page


def test_a_lateral_film_without_a_plan_says_why(tmp_path: Path) -> None:
    result = lateral_result(write_source(tmp_path / "lateral.dcm"))
    plan = replace(result.plan, point_px=None, radius_mm=None, lines={}, refused="no femur was found")
    page = render_study_page(to_document(replace(result, plan=plan, landmarks=None)), result.radiograph)
    assert "Nothing was planned: no femur was found." in page


def test_a_film_of_unknown_pixel_size_has_no_lengths(tmp_path: Path) -> None:
    result = lateral_result(write_source(tmp_path / "lateral.dcm"))
    radiograph = replace(result.radiograph, spacing_mm=(1.0, 1.0), spacing_source="none")
    page = render_study_page(to_document(replace(result, radiograph=radiograph)), radiograph)
    assert "<td>not known</td>" in page and '<td class="unit">mm</td>' not in page
    assert '"calibrated":false' in page


def decode(image: str) -> Image.Image:
    content = re.search(r"base64,([^\"]+)", image)
    assert content is not None
    return Image.open(BytesIO(b64decode(content[1])))


def test_a_large_film_is_reduced_and_its_knees_are_not() -> None:
    pixels = np.random.default_rng(0).normal(100, 20, (2500, 3000)).astype(np.float32)
    pictures = FilmPictures(Radiograph(pixels, (0.15, 0.15)))
    film = decode(pictures.render_film())
    assert film.size == (1600, 1333) and film.mode == "L"
    box = Frame(pictures.frame.radiograph).frame_region({"center_px": [1000, 1000], "roi_mm": 60.0})
    crop = decode(pictures.render_crops([box]))
    assert crop.size == pytest.approx((400, 400), abs=2)
    assert FilmPictures(Radiograph(pixels[:1500, :1800], (0.15, 0.15))).render_crops([box]) == ""


def test_the_script_knows_which_greys_are_shown(page: str) -> None:
    found = re.search(r'<script type="application/json" id="state">(.*?)</script>', page)
    assert found is not None
    low, high = json.loads(found[1])["window"]
    assert 0 <= low < high <= 255
    assert SPACING[0] != SPACING[1]
