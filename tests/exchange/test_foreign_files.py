"""Files that other programs made are read as those programs mean them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from kneebundle.errors import KneeBundleError
from kneebundle.exchange import (
    Context,
    Images,
    Mark,
    list_marks,
    make_document,
    make_labeling_config,
    read_facts,
    read_file,
    write_image,
)
from kneebundle.exchange.documents import ImageFacts
from kneebundle.exchange.formats import FORMATS
from kneebundle.io.dicom_writing import write_dicom
from kneebundle.landmarks import KNEE_PA

FACTS = ImageFacts("knee.png", 300, 200, (0.2, 0.3), "argument")


def places(document: dict[str, Any], side: str = "R") -> dict[int, tuple[float, float]]:
    return {mark.id: (mark.x, mark.y) for mark in list_marks(document) if mark.side == side}


def write(path: Path, content: Any) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content, ensure_ascii=False), encoding="utf-8")
    return path


# VGG Image Annotator


def kneel_table(count: dict[str, int]) -> str:
    """A table as KNEEL's authors made it: no names, bones T and F in order, whole pixels."""
    rows = ["#filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes"]
    number = 0
    for bone, points in count.items():
        for index in range(points):
            shape = f'"{{""name"":""point"",""cx"":{100 + number},""cy"":{200 + index}}}"'
            rows.append(f'9001.png,123,"{{}}",16,{number},{shape},"{{""Bone"": ""{bone}"",""Side"":""R""}}"')
            number += 1
    return "\n".join(rows) + "\n"


def test_kneels_own_table_goes_by_side_bone_and_order(tmp_path: Path) -> None:
    (document,) = read_file(write(tmp_path / "via.csv", kneel_table({"T": 9, "F": 7})), None, Context())
    assert document["image"]["path"] == "9001.png"
    assert places(document)[0] == (100, 200)
    assert places(document)[8] == (108, 208)
    assert places(document)[9] == (109, 200)
    assert len(places(document)) == 16


def test_an_outline_counts_as_its_points(tmp_path: Path) -> None:
    regions = [
        {
            "shape_attributes": {"name": "polyline", "all_points_x": list(range(9)), "all_points_y": [5.5] * 9},
            "region_attributes": {"Side": "l", "Bone": "Tibia"},
        },
        {"shape_attributes": {"name": "rect", "x": 1, "y": 1, "width": 2, "height": 2}, "region_attributes": {}},
    ]
    entry = {"filename": "a.png", "size": 1, "regions": dict(enumerate(regions)), "file_attributes": {}}
    (document,) = read_file(write(tmp_path / "v.json", {"a.png1": entry}), None, Context())
    assert places(document, "L") == {number: (number, 5.5) for number in range(9)}


def test_points_whose_order_leaves_a_doubt_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(KneeBundleError, match="9001.png has 8 points of Side R and Bone T, where 9 are in order"):
        read_file(write(tmp_path / "via.csv", kneel_table({"T": 8, "F": 7})), None, Context())
    with pytest.raises(KneeBundleError, match=r"neither the attribute landmark nor Side \(R, L\) and Bone \(T, F\)"):
        read_file(write(tmp_path / "via.csv", kneel_table({"": 9})), None, Context())


def test_a_project_of_via_has_what_version_2_asks_for(tmp_path: Path) -> None:
    Image.new("L", (200, 300)).save(tmp_path / "knee.png")
    document = make_document(FACTS, [Mark("R", "tibia_center", 1.25, 2.5)])
    FORMATS["via-json"].write([document], tmp_path / "p.json", Context(Images([tmp_path])))
    project = json.loads((tmp_path / "p.json").read_text())
    size = (tmp_path / "knee.png").stat().st_size
    assert project["_via_image_id_list"] == [f"knee.png{size}"] == list(project["_via_img_metadata"])
    (region,) = project["_via_img_metadata"][f"knee.png{size}"]["regions"]
    assert region["shape_attributes"] == {"name": "point", "cx": 1.25, "cy": 2.5}
    assert region["region_attributes"]["Bone"] == "T"
    assert set(region["region_attributes"]) <= set(project["_via_attributes"]["region"])


# BoneFinder


def test_a_missing_point_is_no_number_never_zero(tmp_path: Path) -> None:
    document = make_document(FACTS, [Mark("L", "tibia_center", 0.0, 2.5)])
    write_image("pts", document, tmp_path, "knee", Context())
    lines = (tmp_path / "knee_L.pts").read_text().splitlines()
    assert lines[:3] == ["version: 1", "n_points: 16", "{"]
    assert lines[3:-1] == [*["nan nan"] * 4, "0 2.5", *["nan nan"] * 11]


def test_bonefinders_model_of_74_points_in_mm(tmp_path: Path) -> None:
    Image.fromarray(np.eye(200, dtype=np.uint8) * 255).save(tmp_path / "film.png")
    rows = "\n".join(f"{0.3 * i} {0.2 * (100 + i)}" for i in range(74))  # pixels of 0.1 mm
    write(tmp_path / "film_R.pts", f"version: 1\nn_points:  74\n{{\n{rows}\n}}\n")
    images = Images([tmp_path / "film.png"], spacing_mm=None)
    with pytest.raises(KneeBundleError, match="the size of a pixel is not known, and the points are in mm"):
        read_file(tmp_path / "film_R.pts", None, Context(images, "mm"))
    images = Images([tmp_path / "film.png"], spacing_mm=0.1)
    (document,) = read_file(tmp_path / "film_R.pts", None, Context(images, "mm"))
    assert document["image"]["path"] == str(tmp_path / "film.png")
    assert places(document)[0] == (141, 294)
    assert places(document)[9] == (36, 224)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a_R.pts", "version: 1\nn_points: 2\n{\n1 2\n}\n", "not a point file"),
        ("a_R.pts", "hello", "not a point file"),
        ("a_R.pts", "version: 1\nn_points: 3\n{\n1 2\n1 2\n1 2\n}\n", "3 points; 16 landmarks"),
        ("a_R.pts", "version: 1\nn_points: 1\n{\n1 b\n}\n", "cannot be read"),
        ("a.pts", "version: 1\nn_points: 16\n{\n" + "1 2\n" * 16 + "}\n", "does not say the side"),
    ],
)
def test_other_point_files_are_an_error(tmp_path: Path, name: str, content: str, reason: str) -> None:
    with pytest.raises(KneeBundleError, match=reason):
        read_file(write(tmp_path / name, content), None, Context())


# COCO


def coco(**annotation: Any) -> dict[str, Any]:
    keypoints = [0, 0, 0] * 15 + [30.5, 40, 1]
    known = {"id": 7, "image_id": 5, "category_id": 1, "keypoints": keypoints, **annotation}
    category = {"id": 1, "name": "knee_left", "keypoints": list(KNEE_PA.names)}
    image = {"id": 5, "file_name": "knee.png", "width": 200, "height": 300}
    return {"images": [image], "annotations": [known], "categories": [category]}


def test_coco_of_others_has_its_side_in_the_category_or_the_attributes(tmp_path: Path) -> None:
    (document,) = read_file(write(tmp_path / "c.json", coco()), None, Context())
    assert list_marks(document) == [Mark("L", "femur_medial_edge", 30.5, 40.0)]
    assert (document["image"]["rows"], document["image"]["columns"]) == (300, 200)
    (document,) = read_file(write(tmp_path / "c.json", coco(attributes={"side": "right"})), None, Context())
    assert list_marks(document)[0].side == "R"


def test_coco_that_leaves_a_doubt_is_an_error(tmp_path: Path) -> None:
    content = coco()
    content["categories"][0]["name"] = "knee"
    with pytest.raises(KneeBundleError, match="nothing says of which knee femur_medial_edge is"):
        read_file(write(tmp_path / "c.json", content), None, Context())
    with pytest.raises(KneeBundleError, match="has 3 numbers for 16 keypoints"):
        read_file(write(tmp_path / "c.json", coco(keypoints=[1, 2, 2])), None, Context())
    with pytest.raises(KneeBundleError, match="not a file of COCO keypoints"):
        read_file(write(tmp_path / "c.json", coco(category_id=3)), None, Context())


# Label Studio


def task(label: str, x: float, **further: Any) -> dict[str, Any]:
    result = {
        "original_width": 200,
        "original_height": 300,
        "image_rotation": 0,
        "type": "keypointlabels",
        "value": {"x": x, "y": 50.0, "width": 0.3, "keypointlabels": [label]},
    }
    return {"result": [{**result, **further}]}


def test_the_latest_annotation_that_was_not_cancelled_counts(tmp_path: Path) -> None:
    tasks = [
        {
            "data": {"image": "/data/local-files/?d=films/knee.png"},
            "annotations": [
                {**task("R tibia_center", 40.25), "updated_at": "2026-01-02"},
                {**task("R tibia_center", 10.0), "updated_at": "2026-01-01"},
                {**task("R tibia_center", 20.0), "updated_at": "2026-01-03", "was_cancelled": True},
            ],
            "predictions": [task("R tibia_center", 60.0)],
        },
        {"data": {"image": "http://x/data/upload/1/ab%20c.png"}, "annotations": [], "predictions": []},
    ]
    first, second = read_file(write(tmp_path / "t.json", tasks), None, Context())
    assert list_marks(first) == [Mark("R", "tibia_center", 80.0, 149.5)]
    assert first["image"]["path"] == "films/knee.png"
    assert (first["image"]["rows"], first["image"]["columns"]) == (300, 200)
    assert second["image"]["path"] == "ab c.png"


@pytest.mark.parametrize(
    ("annotation", "reason"),
    [
        (task("patella", 1.0), "labelled .*patella.*a label such as 'R tibia_center' is needed"),
        (task("tibia_center", 1.0), "nothing says of which knee"),
        (task("R tibia_center", 1.0, image_rotation=90), "was rotated in Label Studio"),
        ({"result": [{"type": "keypointlabels"}]}, "not the tasks of Label Studio"),
    ],
)
def test_a_task_that_leaves_a_doubt_is_an_error(tmp_path: Path, annotation: dict[str, Any], reason: str) -> None:
    tasks = [{"data": {"image": "a.png", "rows": "300", "columns": "200"}, "annotations": [annotation]}]
    with pytest.raises(KneeBundleError, match=reason):
        read_file(write(tmp_path / "t.json", tasks), None, Context())


def test_the_labeling_configuration_has_every_label(tmp_path: Path) -> None:
    text = make_labeling_config()
    assert all(f'"{side} {name}"' in text for side in "RL" for name in KNEE_PA.names)


# 3D Slicer


def test_markups_without_their_image_are_an_error(tmp_path: Path) -> None:
    write(tmp_path / "film.mrk.json", {"markups": []})
    with pytest.raises(KneeBundleError, match="the image film is not there, and markups are placed by it"):
        read_file(tmp_path / "film.mrk.json", None, Context())


def test_points_that_a_person_added_in_slicer_are_left_out(tmp_path: Path) -> None:
    write_dicom(tmp_path / "film.dcm", np.eye(60, 50, dtype=np.uint16), (0.5, 0.25), side="R", view="pa-single")
    images = Images([tmp_path / "film.dcm"])
    facts = images.complete(read_facts({"image": {"path": str(tmp_path / "film.dcm")}}))
    write_image(
        "slicer", make_document(facts, [Mark("R", "tibia_center", 3.5, 4.25)]), tmp_path, "film", Context(images)
    )
    content = json.loads((tmp_path / "film.mrk.json").read_text())
    (point,) = content["markups"][0]["controlPoints"]
    np.testing.assert_allclose(point["position"], [3.5 * 0.25, 4.25 * 0.5, 0.0])
    content["markups"][0]["controlPoints"].append({**point, "label": "F-2"})
    write(tmp_path / "film.mrk.json", content)
    (document,) = read_file(tmp_path / "film.mrk.json", None, Context(images))
    assert list_marks(document) == [Mark("R", "tibia_center", 3.5, 4.25)]


@pytest.mark.parametrize("name", ["slicer", "sr", "gsps"])
def test_points_of_which_none_is_a_landmark_are_an_error(tmp_path: Path, name: str, monkeypatch: Any) -> None:
    write_dicom(tmp_path / "film.dcm", np.eye(60, 50, dtype=np.uint16), (0.5, 0.25), side="R", view="pa-single")
    images = Images([tmp_path / "film.dcm"])
    facts = images.complete(read_facts({"image": {"path": str(tmp_path / "film.dcm")}}))
    document = make_document(facts, [Mark("R", "tibia_center", 3.5, 4.25)])
    if name == "gsps":  # our writer knows landmarks only
        monkeypatch.setattr(Mark, "label", "other")
    else:
        document["knees"][0]["landmarks"][0]["name"] = "other"
    file = tmp_path / f"film{FORMATS[name].ending}"
    FORMATS[name].write([document], file, Context(images))
    with pytest.raises(KneeBundleError, match="none of its 1 points is called like a landmark"):
        read_file(file, None, Context(images))


# kneebundle's own JSON, edited by hand


@pytest.mark.parametrize(
    ("place", "value", "reason"),
    [
        (("name",), "patella", "there is no landmark 'patella'"),
        (("x_px",), None, "a point or the image is not as in a prediction"),
        (("x_px",), float("nan"), "R tibia_center is not at a finite place"),
        ((), {}, "a point or the image is not as in a prediction"),
        (("confidence",), {}, "a point or the image is not as in a prediction"),
        (("radius_mm",), "much", "a point or the image is not as in a prediction"),
    ],
)
def test_a_document_that_was_spoilt_is_one_clear_line(tmp_path: Path, place: Any, value: Any, reason: str) -> None:
    document = make_document(FACTS, [Mark("R", "tibia_center", 3.5, 4.25)])
    points = document["knees"][0]["landmarks"]
    points[0] = {**points[0], place[0]: value} if place else value
    with pytest.raises(KneeBundleError, match=reason):
        read_file(write(tmp_path / "a.json", document), None, Context())


def test_a_side_that_is_none_is_one_clear_line(tmp_path: Path) -> None:
    document = make_document(FACTS, [Mark("R", "tibia_center", 3.5, 4.25)])
    document["knees"][0]["side"] = {"a": "b" * 900}
    with pytest.raises(KneeBundleError, match="a side is .*; R or L is needed") as raised:
        read_file(write(tmp_path / "a.json", document), None, Context())
    assert len(raised.value.reason) < 200


def test_a_cell_of_via_that_is_no_json_is_quoted_short(tmp_path: Path) -> None:
    columns = "filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes"
    table = write(tmp_path / "via.csv", f"{columns}\nknee.png,1,{'{x' * 900},1,0,{{}},{{}}\n")
    with pytest.raises(KneeBundleError, match="line 2: .* is no JSON; a table that VIA exported is needed") as raised:
        read_file(table, None, Context())
    assert len(raised.value.reason) < 200


# finding images


def test_images_are_found_by_name_by_stem_and_by_folder(tmp_path: Path) -> None:
    for name in ("a/knee.png", "b/knee.png", "b/other.nii.gz"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    images = Images([tmp_path])
    assert images.find("C:\\films\\b\\knee.png") == tmp_path / "b/knee.png"
    assert images.find("other") == tmp_path / "b/other.nii.gz"
    assert images.find("third.png") is None
    with pytest.raises(KneeBundleError, match="2 images are called so"):
        images.find("knee.png")
