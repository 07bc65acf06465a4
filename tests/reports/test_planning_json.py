"""The JSON document, the tables and the masks of a lateral film."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kneebundle.measurements.calibration_sphere import Sphere
from kneebundle.measurements.schoettle import SchoettlePlan
from kneebundle.reports.csv_tables import write_landmarks, write_measurements
from kneebundle.reports.json_report import read_document, to_document, write_document
from kneebundle.reports.masks import write_masks
from tests.reports.lateral_results import COLUMNS, POINT, ROWS, lateral_result, write_source


def test_planning_stands_in_the_place_of_knees(tmp_path: Path) -> None:
    result = lateral_result(write_source(tmp_path / "a.dcm"))
    document = to_document(result, {"femur": "a_femur.png", "tibia": "a_tibia.png"})
    assert "knees" not in document
    assert document["image"]["view"] == "lateral" and document["image"]["spacing_mm"] == [1.0, 1.5]
    assert document["flags"] == [{"code": "spacing_from_sphere", "message": "the sphere and the file differ"}]
    planning = document["planning"]
    assert planning["side"] == "L"
    assert planning["landmarks"] == [
        {"id": 0, "name": "p_blum", "x_px": 15.25, "y_px": 30.5, "x_mm": 22.875, "y_mm": 30.5, "confidence": 0.9}
    ]
    assert planning["lines"]["LM3"] == {"point_px": [12.0, 30.0], "direction": [0.8, 0.6]}
    assert planning["schoettle_point"] == {"x_px": 20.0, "y_px": 25.0, "x_mm": 30.0, "y_mm": 25.0, "radius_mm": 6.0}
    assert (planning["refused"], planning["area_mm"], planning["sphere"]) == (None, 2.5, None)
    assert planning["masks"] == {"femur": "a_femur.png", "tibia": "a_tibia.png"}
    assert planning["measurements"]["pixel_width"] == {"value": 1.5, "unit": "mm"}
    write_document(document, tmp_path / "a.json")
    assert read_document(tmp_path / "a.json") == document


def test_points_and_directions_are_those_of_the_stored_image(tmp_path: Path) -> None:
    """``H`` down the columns: the film is stored upside down. ``F`` along the rows: it lies on its side."""
    upside_down = lateral_result(write_source(tmp_path / "a.dcm", ["A", "H"]))
    planning = to_document(upside_down)["planning"]
    assert planning["schoettle_point"]["y_px"] == ROWS - 1 - POINT[1]
    assert planning["lines"]["LM3"]["direction"] == [0.8, -0.6]
    on_its_side = lateral_result(write_source(tmp_path / "b.dcm", ["F", "A"]))
    assert on_its_side.radiograph.pixels.shape == (COLUMNS, ROWS)
    planning = to_document(on_its_side)["planning"]
    assert [planning["schoettle_point"][key] for key in ("x_px", "y_px")] == [POINT[1], POINT[0]]
    assert planning["lines"]["LM3"]["direction"] == [0.6, 0.8]


@pytest.mark.parametrize("orientation", [["A", "F"], ["A", "H"], ["F", "A"]])
def test_masks_lie_on_the_stored_image(tmp_path: Path, orientation: list[str]) -> None:
    result = lateral_result(write_source(tmp_path / "a.dcm", orientation))
    assert write_masks(result, tmp_path, "a") == {"femur": "a_femur.png", "tibia": "a_tibia.png"}
    assert not (tmp_path / "a_patella.png").exists()
    mask = np.array(Image.open(tmp_path / "a_femur.png"))
    assert mask.shape == (ROWS, COLUMNS) and set(np.unique(mask)) == {0, 255}
    rows, columns = np.nonzero(result.masks["femur"])
    x, y = result.radiograph.to_stored_px(np.stack([columns, rows], axis=1)).astype(int).T
    assert (mask[y, x] == 255).all() and (mask == 255).sum() == len(x)


def test_a_refused_film_has_its_reason_and_no_point(tmp_path: Path) -> None:
    result = lateral_result(write_source(tmp_path / "a.dcm"))
    empty = {bone: np.zeros_like(mask) for bone, mask in result.masks.items()}
    plan = SchoettlePlan(result.radiograph.spacing_mm, refused="no femur was found")
    planning = to_document(replace(result, masks=empty, landmarks=None, plan=plan))["planning"]
    assert planning["refused"] == "no femur was found"
    assert (planning["schoettle_point"], planning["lines"], planning["landmarks"]) == (None, {}, [])
    assert planning["masks"] == {}
    assert "schoettle_circle_radius" not in planning["measurements"]


def test_the_sphere_is_named(tmp_path: Path) -> None:
    result = replace(lateral_result(write_source(tmp_path / "a.dcm")), sphere=Sphere(10.0, 11.0, 5.0, 0.9))
    assert to_document(result)["planning"]["sphere"] == {"x_px": 10.0, "y_px": 11.0, "diameter_mm": 30.0}


def test_rows_of_the_tables(tmp_path: Path) -> None:
    document = to_document(lateral_result(write_source(tmp_path / "a.dcm")))
    document["image"]["path"] = "a.dcm"
    write_landmarks([document], tmp_path / "l.csv")
    assert (tmp_path / "l.csv").read_text().splitlines()[1:] == [
        "a.dcm,L,0,p_blum,15.25,30.5,22.875,30.5,0.9,,spacing_from_sphere",
        "a.dcm,L,2,schoettle_point,20.0,25.0,30.0,25.0,,,spacing_from_sphere",
    ]
    write_measurements([document], tmp_path / "m.csv")
    assert (tmp_path / "m.csv").read_text().splitlines()[1:] == [
        "a.dcm,L,pixel_height,1.0,mm,,,spacing_from_sphere",
        "a.dcm,L,pixel_width,1.5,mm,,,spacing_from_sphere",
        "a.dcm,L,schoettle_circle_radius,6.0,mm,,,spacing_from_sphere",
    ]
