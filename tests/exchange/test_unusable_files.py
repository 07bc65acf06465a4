"""A file of another program that cannot be used is one clear line, and is taken for nothing that it is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kneebundle.errors import KneeBundleError
from kneebundle.exchange import Context, Images, Mark, make_document, read_facts, read_file
from kneebundle.exchange.formats import FORMATS, detect_format
from kneebundle.io.dicom_writing import write_dicom
from kneebundle.landmarks import KNEE_PA

VIA = "filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes"
POINT = '"{""name"":""point"",""cx"":1,""cy"":2}","{""landmark"":""tibia_center"",""Side"":""R""}"'
LANDMARKS = "path,side,landmark,name,x_px,y_px,confidence,radius_mm"
TRUTH = f"image,side,spacing_mm,{','.join(KNEE_PA.columns)}"


def write(path: Path, content: Any) -> Path:
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", "{"),
        ("a.json", "3"),
        ("a.json", {"schema": "another/1"}),
        ("a.json", {"a": 3}),
        ("a.json", []),
        ("a.csv", b"\xff\xfe\x00"),
        ("a.csv", "a,b\n"),
        ("a.dcm", "no DICOM"),
    ],
)
def test_what_holds_no_landmarks_is_of_no_format(tmp_path: Path, name: str, content: Any) -> None:
    assert detect_format(write(tmp_path / name, content)) is None
    with pytest.raises(KneeBundleError, match="no landmarks in a known format"):
        read_file(tmp_path / name, None, Context())


def test_a_project_of_via_without_images_is_one_all_the_same(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", {"_via_img_metadata": {}})
    assert detect_format(path) == "via-json"
    assert read_file(path, None, Context()) == []


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("json", "{", "cannot be read as JSON"),
        ("json", {"knees": []}, "not the JSON of a prediction"),
        ("json", [], "not the JSON of a prediction"),
        ("via-json", [], "not a project of VIA"),
        ("via-json", {"a": {"regions": []}}, "not a project of VIA"),
        ("via", b"\xff\xfe\x00", "the table cannot be read"),
        ("via", "", "no column 'filename'"),
        ("via", VIA.replace(",region_id", ""), "no column 'region_id'"),
        ("via", f"{VIA}\na.png,1,{{}},1,0,{POINT.replace('cx', 'x')}\n", "a point of a.png has no place"),
        ("via", f"{VIA}\na.png,1,{{}},1,0,{POINT}\na.png,1,{{}},1,1,{POINT}\n", "R tibia_center is there twice"),
        ("csv", f"{LANDMARKS}\na.png,R,4,kneecap,1,2,,\n", "line 2: there is no landmark 'kneecap'"),
        ("csv", f"{LANDMARKS}\na.png,R,4,tibia_center,1,2,high,\n", "line 2: confidence is 'high'; a finite number"),
        ("csv", f"{LANDMARKS}\na.png,R,4,tibia_center,1,2,inf,\n", "line 2: confidence is 'inf'; a finite number"),
        ("truth", f"{TRUTH}\na.png,R,0.3,1,,{',' * 29}\n", "line 2: of landmark 0 only one of x and y is there"),
        ("sr", "no DICOM", "not a structured report of measurements"),
        ("gsps", "no DICOM", "not a presentation state with graphics"),
    ],
)
def test_what_cannot_be_used_is_one_clear_line(tmp_path: Path, name: str, content: Any, reason: str) -> None:
    path = write(tmp_path / f"a{FORMATS[name].ending}", content)
    with pytest.raises(KneeBundleError, match=reason) as raised:
        read_file(path, name, Context())
    assert "\n" not in raised.value.reason


def test_an_empty_line_of_via_is_no_row(tmp_path: Path) -> None:
    (document,) = read_file(write(tmp_path / "a.csv", f"{VIA}\n\na.png,1,{{}},1,0,{POINT}\n\n"), None, Context())
    assert [point["name"] for point in document["knees"][0]["landmarks"]] == ["tibia_center"]


def test_points_of_both_kinds_of_film_in_one_are_an_error(tmp_path: Path) -> None:
    lateral = POINT.replace("tibia_center", "p_tmc").replace('""R""', '""""')
    table = write(tmp_path / "a.csv", f"{VIA}\na.png,1,{{}},2,0,{POINT}\na.png,1,{{}},2,1,{lateral}\n")
    with pytest.raises(KneeBundleError, match="points of a lateral film and of one from the front"):
        read_file(table, None, Context())


def test_a_spacing_given_for_all_is_that_of_an_image_that_is_not_there(tmp_path: Path) -> None:
    context = Context(Images(spacing_mm=0.25))
    (document,) = read_file(write(tmp_path / "a.csv", f"{VIA}\na.png,1,{{}},1,0,{POINT}\n"), None, context)
    assert (document["image"]["spacing_mm"], document["image"]["spacing_source"]) == ([0.25, 0.25], "argument")


def test_a_presentation_state_in_other_units_than_pixels_is_an_error(tmp_path: Path) -> None:
    import pydicom

    write_dicom(tmp_path / "film.dcm", np.eye(60, 50, dtype=np.uint16), (0.5, 0.25), side="R", view="pa-single")
    (tmp_path / "notes.txt").write_text("no DICOM")
    context = Context(Images([tmp_path / "film.dcm", tmp_path / "notes.txt"]))
    facts = context.images.complete(read_facts({"image": {"path": str(tmp_path / "film.dcm")}}))
    path = tmp_path / "film_gsps.dcm"
    FORMATS["gsps"].write([make_document(facts, [Mark("R", "tibia_center", 3.5, 4.25)])], path, context)
    state = pydicom.dcmread(path)
    for annotation in state.GraphicAnnotationSequence:
        for graphic in annotation.GraphicObjectSequence:
            graphic.GraphicAnnotationUnits = "DISPLAY"
    state.save_as(path)
    with pytest.raises(KneeBundleError, match=r"not a presentation state with graphics \(ValueError\)"):
        read_file(path, None, context)
