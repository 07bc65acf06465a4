"""A plan of which a part is missing or lies beside the film: every format leaves that part out and writes the rest."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread

from kneebundle.exchange.formats import FORMATS, Context
from kneebundle.exchange.images import Images
from kneebundle.io.placement import make_placement
from kneebundle.measurements.calibration_sphere import Sphere
from kneebundle.measurements.schoettle import Line
from kneebundle.reports.html.study import render_study_page
from kneebundle.reports.json_report import to_document
from kneebundle.reports.lateral_overlay import draw_lateral_overlay
from kneebundle.reports.points import clip_line
from kneebundle.reports.slicer_markups import to_markups
from kneebundle.results import LateralResult
from tests.reports.lateral_results import lateral_result, write_source
from tests.reports.test_dicom_sr import regions


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_source(tmp_path / "film.dcm")


@pytest.fixture
def beside(source: Path) -> LateralResult:
    """LM1 runs beside the film, and there is no Schoettle point."""
    result = lateral_result(source)
    lines = {**result.plan.lines, "LM1": Line((-100.0, 10.0), (0.0, 1.0))}
    return replace(result, plan=replace(result.plan, lines=lines, point_px=None, radius_mm=None, refused="too short"))


@pytest.mark.parametrize(
    ("point", "direction", "ends"),
    [
        ((-5.0, 5.0), (0.0, 1.0), None),
        ((5.0, -5.0), (1.0, 0.0), None),
        ((-10.0, 0.0), (1.0, -1.0), None),
        ((5.0, 5.0), (1.0, 0.0), [(0.0, 5.0), (10.0, 5.0)]),
        ((-5.0, -5.0), (1.0, 1.0), [(0.0, 0.0), (10.0, 10.0)]),
    ],
)
def test_a_line_that_misses_the_film_has_no_ends_on_it(point: Any, direction: Any, ends: Any) -> None:
    found = clip_line(np.array(point), np.array(direction), np.array([10.0, 20.0]))
    assert found is None if ends is None else np.allclose(np.asarray(found), ends)


def test_the_pictures_and_the_page_are_without_it(beside: LateralResult) -> None:
    page = render_study_page(to_document(beside), beside.radiograph)
    assert 'class="plan-line LM2"' in page and 'class="plan-line LM1"' not in page
    assert "dot schoettle" not in page
    without = replace(
        beside, plan=replace(beside.plan, lines={k: v for k, v in beside.plan.lines.items() if k != "LM1"})
    )
    above_the_legend = (0, 0, 960, 840)
    pictures = [draw_lateral_overlay(result).crop(above_the_legend).tobytes() for result in (beside, without)]
    assert pictures[0] == pictures[1]


def test_reports_and_markups_are_without_it(beside: LateralResult, source: Path, tmp_path: Path) -> None:
    document = to_document(beside)
    context = Context(Images([source]))
    FORMATS["sr"].write([document], tmp_path / "film_sr.dcm", context)
    assert set(regions(tmp_path / "film_sr.dcm")) == {"p_blum", "LM2", "LM3"}
    markups = to_markups(document, make_placement((1.0, 1.5)))["markups"]
    assert [markup["name"] for markup in markups if markup["type"] == "Line"] == ["LM2", "LM3"]
    FORMATS["gsps"].write([document], tmp_path / "film_gsps.dcm", context)
    state = dcmread(tmp_path / "film_gsps.dcm")
    drawn = [
        graphic
        for annotation in state.GraphicAnnotationSequence
        for graphic in annotation.GraphicObjectSequence
        if annotation.GraphicLayer == "LINES"
    ]
    assert len(drawn) == 2


def test_a_sphere_is_drawn_where_one_was_found(source: Path) -> None:
    result = lateral_result(source)
    plain = render_study_page(to_document(result), result.radiograph)
    with_one = replace(result, sphere=Sphere(30.0, 40.0, 8.0))
    document = to_document(with_one)
    assert '<circle class="sphere"' not in plain
    assert json.dumps(document["planning"]).count("diameter_mm") == 1
    assert '<circle class="sphere" cx=' in render_study_page(document, result.radiograph)
