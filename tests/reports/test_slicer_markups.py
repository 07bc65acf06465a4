"""Markups lie on the film as 3D Slicer loads it, and come back as the same pixels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import itk
import numpy as np
import pytest

from kneebundle.errors import KneeBundleError
from kneebundle.io.dicom_writing import write_dicom
from kneebundle.io.placement import make_placement, read_placement
from kneebundle.io.reading import read_radiograph
from kneebundle.landmarks import KNEE_PA, Landmarks
from kneebundle.reports.json_report import to_document
from kneebundle.reports.slicer_markups import read_markups, to_markups, write_markups
from kneebundle.results import KneeResult, RadiographResult
from tests.reports.lateral_results import lateral_result, write_source

POINTS = np.stack([np.linspace(3, 33, 16), np.linspace(50, 5, 16)], axis=1)


def film_result(path: Path, **attributes: Any) -> RadiographResult:
    pixels = np.random.default_rng(0).integers(100, 4000, (60, 40)).astype(np.uint16)
    write_dicom(path, pixels, (1.0, 1.5), side="L", view="pa-single", attributes=attributes)
    landmarks = Landmarks(POINTS, "px", confidence=np.full(16, 0.5))
    return RadiographResult(read_radiograph(path), (KneeResult("L", (18.0, 27.0), 140.0, landmarks),))


def positions(markups: dict[str, Any], number: int = 0) -> dict[str, list[float]]:
    return {point["label"]: point["position"] for point in markups["markups"][number]["controlPoints"]}


def test_points_lie_in_lps_mm_from_the_first_pixel(tmp_path: Path) -> None:
    path = tmp_path / "film.dcm"
    document = to_document(film_result(path))
    write_markups(document, path, tmp_path / "film.mrk.json")
    content = json.loads((tmp_path / "film.mrk.json").read_text())
    (markup,) = content["markups"]
    assert (markup["type"], markup["name"], markup["coordinateSystem"]) == ("Fiducial", "knee L", "LPS")
    placed = positions(content)
    assert list(placed) == [f"L {name}" for name in KNEE_PA.names]
    np.testing.assert_allclose(placed["L tibia_lateral_edge"], [3 * 1.5, 50 * 1.0, 0.0])
    assert content["@schema"].endswith("markups-schema-v1.0.3.json#")


def test_points_lie_on_the_pixels_that_itk_reads(tmp_path: Path) -> None:
    """Whatever spacing measurements are made with: the point on the brightest pixel stays on it."""
    path = tmp_path / "film.dcm"
    result = film_result(path, PixelSpacing=["0.5", "0.75"], PixelSpacingCalibrationType="GEOMETRY")
    assert result.radiograph.spacing_mm == (0.5, 0.75)
    image = itk.imread(str(path))
    for point, name in zip(POINTS, KNEE_PA.names, strict=True):
        position = positions(to_markups(to_document(result), read_placement(path)))[f"L {name}"]
        index = image.TransformPhysicalPointToContinuousIndex(position)
        np.testing.assert_allclose(np.array(index)[:2], point, atol=1e-3)


def test_points_of_a_turned_film_lie_on_the_stored_one(tmp_path: Path) -> None:
    path = tmp_path / "film.dcm"
    document = to_document(film_result(path, PatientOrientation=["R", "F"]))
    stored = [document["knees"][0]["landmarks"][0][key] for key in ("x_px", "y_px")]
    assert stored == [40 - 1 - 3, 50]
    position = positions(to_markups(document, read_placement(path)))["L tibia_lateral_edge"]
    np.testing.assert_allclose(position, [36 * 1.5, 50, 0])


def test_what_slicer_saves_comes_back_as_pixels(tmp_path: Path) -> None:
    placement = make_placement((1.0, 1.5))
    content = to_markups(to_document(film_result(tmp_path / "film.dcm")), placement)
    for system, sign in (("LPS", 1), ("RAS", -1)):
        markup = json.loads(json.dumps(content["markups"][0]))
        markup["coordinateSystem"] = system
        for point in markup["controlPoints"]:
            point["position"] = [sign * point["position"][0], sign * point["position"][1], 0.0]
        markup["controlPoints"].append({"label": "later", "position": [0, 0, 0], "positionStatus": "undefined"})
        found = read_markups({"markups": [markup]}, placement)
        np.testing.assert_allclose([found[f"L {name}"] for name in KNEE_PA.names], POINTS, atol=1e-4)
        assert "later" not in found


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"markups": [{"type": "Fiducial"}]}, "not 3D Slicer's markups"),
        ({"markups": [{"type": "Fiducial", "coordinateSystem": "IJK", "controlPoints": [{"label": "a"}]}]}, "not 3D"),
        (
            {"markups": [{"type": "Fiducial", "controlPoints": [{"label": "a", "position": [0, 0, 0]}] * 2}]},
            "of 2 points some have the same label",
        ),
    ],
)
def test_what_is_no_point_list_is_an_error(content: dict[str, Any], reason: str) -> None:
    with pytest.raises(KneeBundleError, match=reason):
        read_markups(content, make_placement((1.0, 1.0)))


def test_a_plan_has_points_and_lines_from_border_to_border(tmp_path: Path) -> None:
    source = write_source(tmp_path / "lateral.dcm")
    content = to_markups(to_document(lateral_result(source)), read_placement(source))
    assert [(m["type"], m["name"]) for m in content["markups"]] == [
        ("Fiducial", "planning"),
        ("Line", "LM1"),
        ("Line", "LM2"),
        ("Line", "LM3"),
    ]
    assert positions(content) == {"p_blum": [15.25 * 1.5, 30.5, 0.0], "schoettle_point": [20 * 1.5, 25.0, 0.0]}
    assert positions(content, 1) == {"LM1-1": [12 * 1.5, 0.0, 0.0], "LM1-2": [12 * 1.5, 59.0, 0.0]}


def test_a_knee_that_was_not_measured_has_no_points(tmp_path: Path) -> None:
    document = to_document(film_result(tmp_path / "film.dcm"))
    document["knees"].append({"side": "R", "landmarks": []})
    assert [m["name"] for m in to_markups(document, make_placement((1, 1)))["markups"]] == ["knee L"]
