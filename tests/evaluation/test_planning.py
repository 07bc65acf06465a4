"""Evaluation of lateral films: values worked out by hand for three raters and two films."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from kneebundle import cli
from kneebundle.errors import KneeBundleError
from kneebundle.evaluation.planning import AUTOMATIC, compare_plannings, summarize_plannings
from kneebundle.evaluation.planning_truth import is_planning_truth
from kneebundle.io.tables import write_table

SPACING_MM = 0.5
ROWS, COLUMNS = 200, 160
COLUMN_NAMES = [f"{point}_{axis}" for point in ("p_blum", "p_tmc", "p_prox", "p_dist") for axis in "xy"]
"""LM1 is column 60 of a femur that faces right; LM2 is row 120, LM3 row 132: the point (66, 126), the radius 3 mm."""
MARKED = np.array([[70.0, 132.0], [58.0, 120.0], [60.0, 30.0], [60.0, 100.0]])
POINT = np.array([66.0, 126.0])


def bones() -> dict[str, np.ndarray]:
    masks = {name: np.zeros((ROWS, COLUMNS), dtype=bool) for name in ("femur", "patella", "tibia", "fibula")}
    masks["femur"][0:150, 60:100] = True
    masks["patella"][90:120, 120:140] = True
    masks["tibia"][150:200, 55:105] = True
    return masks


def write_masks(folder: Path, stem: str, masks: dict[str, np.ndarray]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for bone, mask in masks.items():
        Image.fromarray(mask.astype(np.uint8) * 255).save(folder / f"{stem}_{bone}.png")


def write_truth(path: Path, films: Sequence[tuple[str, str, np.ndarray]], suitable: Sequence[str] = ()) -> Path:
    """Rows of image, rater and points (4, 2)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    given = suitable or [""] * len(films)
    rows = [[image, rater, s, SPACING_MM, *p.ravel()] for (image, rater, p), s in zip(films, given, strict=True)]
    write_table(path, ["image", "rater", "suitable", "spacing_mm", *COLUMN_NAMES], rows)
    for image, _, _ in films:
        write_masks(path.parent / "masks", Path(image).stem, bones())
    return path


def write_prediction(
    folder: Path, image: str, shift: tuple[float, float] = (0, 0), masks: dict[str, np.ndarray] | None = None
) -> None:
    """A prediction whose points, line and Schoettle point are all moved by so many pixels."""
    move = np.array(shift)
    found = bones() if masks is None else masks
    found = {bone: mask for bone, mask in found.items() if mask.any()}
    stem = Path(image).stem
    write_masks(folder, stem, found)
    x, y = POINT + move
    planning = {
        "side": "L",
        "measurements": {},
        "landmarks": [
            {"id": i, "name": name, "x_px": p[0], "y_px": p[1], "x_mm": None, "y_mm": None, "confidence": None}
            for i, (name, p) in enumerate(zip(("p_blum", "p_tmc"), MARKED + move, strict=False))
        ],
        "lines": {"LM1": {"point_px": list(MARKED[2] + move), "direction": [0.0, 1.0]}},
        "schoettle_point": {"x_px": x, "y_px": y, "x_mm": None, "y_mm": None, "radius_mm": 3.0},
        "refused": None,
        "masks": {bone: f"{stem}_{bone}.png" for bone in found},
    }
    write_document(folder, image, planning)


def write_document(folder: Path, image: str, planning: dict) -> None:
    image_part = {"path": f"/films/{image}", "rows": ROWS, "columns": COLUMNS, "spacing_mm": [SPACING_MM, SPACING_MM]}
    document = {"schema": "kneebundle/landmarks/1", "image": image_part, "planning": planning}
    (folder / f"{Path(image).stem}.json").write_text(json.dumps(document))


def test_errors_of_one_rater_and_one_film_are_mm(tmp_path: Path) -> None:
    truth = write_truth(tmp_path / "data" / "points.csv", [("a.png", "1", MARKED)])
    masks = bones()
    masks["femur"] = np.roll(masks["femur"], 4, axis=1)  # 2 mm
    masks["patella"][:] = False
    write_prediction(tmp_path / "out", "a.png", (6, 8), masks)
    summary = summarize_plannings(compare_plannings(tmp_path / "out", [truth]))

    assert (summary["films"], summary["answered"]) == (1, 1)
    femur, patella, tibia, fibula = summary["bones"].values()
    assert femur["iou"]["mean"] == pytest.approx(36 / 44, abs=1e-4)
    assert femur["hausdorff_distance_mm"]["mean"] == 2.0
    assert 0 < femur["surface_distance_mm"]["mean"] < 2.0
    assert (patella["films"], patella["not_found"], patella["iou"]["mean"]) == (1, 1, 0.0)
    assert patella["hausdorff_distance_mm"]["mean"] is None
    assert (tibia["iou"]["mean"], tibia["hausdorff_distance_mm"]["mean"]) == (1.0, 0.0)
    assert fibula["films"] == 0 and fibula["iou"]["mean"] is None

    errors = {name: row["median_mm"] for name, row in summary["errors"].items()}
    assert errors == {"p_blum": 5.0, "p_tmc": 5.0, "line": 3.0, "schoettle_point": 5.0}
    assert summary["schoettle_point"]["within_area_percent"] == 0.0
    assert summary["schoettle_point"]["anterior_mm"]["mean"] == 3.0
    assert summary["schoettle_point"]["proximal_mm"]["mean"] == -4.0


def test_the_table_of_raters_by_hand(tmp_path: Path) -> None:
    """Rater 2 lies 6 px distal of rater 1 on film a and 12 px on film b; rater 3 where rater 1 does."""
    films = [
        (image, rater, MARKED + [0, by])
        for image, distal in (("a.png", 6.0), ("b.png", 12.0))
        for rater, by in (("1", 0.0), ("2", distal), ("3", 0.0))
    ]
    truth = write_truth(tmp_path / "points.csv", films, ["1", "1", "1", "1", "0", "1"])
    write_prediction(tmp_path / "out", "a.png", (0, 2))
    write_prediction(tmp_path / "out", "b.png", (4, 4))
    comparison = compare_plannings(tmp_path / "out", [truth])
    table = {(row["first"], row["second"]): row for row in summarize_plannings(comparison)["raters"]}

    assert list(table) == [
        *[("1", "2"), ("1", "3"), ("2", "3")],
        *[(AUTOMATIC, "1"), (AUTOMATIC, "2"), (AUTOMATIC, "3"), (AUTOMATIC, "centroid")],
    ]
    assert {pair: row["all"]["median_mm"] for pair, row in table.items()} == pytest.approx(
        {
            ("1", "2"): (3.0 + 6.0) / 2,
            ("1", "3"): 0.0,
            ("2", "3"): (3.0 + 6.0) / 2,
            (AUTOMATIC, "1"): (1.0 + np.sqrt(8)) / 2,
            (AUTOMATIC, "2"): (2.0 + np.hypot(2, 4)) / 2,
            (AUTOMATIC, "3"): (1.0 + np.sqrt(8)) / 2,
            (AUTOMATIC, "centroid"): (0.0 + 2.0) / 2,
        },
        abs=1e-3,
    )
    assert table["1", "2"]["suitable"] == {"median_mm": 3.0, "low_mm": 3.0, "high_mm": 3.0, "films": 1}
    assert comparison.offsets_mm["2"] == pytest.approx(np.array([[0, -2], [0, -4]]))
    assert comparison.offsets_mm[AUTOMATIC] == pytest.approx(np.array([[0, 0], [2, 0]]))
    assert comparison.radii_mm == pytest.approx([3.0, 3.0])
    assert summarize_plannings(comparison)["schoettle_point"]["within_area_percent"] == 100.0


def test_a_table_a_rater_is_the_same_as_one_with_a_column(tmp_path: Path) -> None:
    tables = []
    for rater, by in (("anna", 0.0), ("ben", 6.0)):
        path = tmp_path / f"{rater}.csv"
        write_table(path, ["image", "spacing_mm", *COLUMN_NAMES], [["a.png", SPACING_MM, *(MARKED + [0, by]).ravel()]])
        tables.append(path)
    write_prediction(tmp_path / "out", "a.png")
    comparison = compare_plannings(tmp_path / "out", tables)
    assert comparison.raters == ("anna", "ben")
    assert summarize_plannings(comparison)["raters"][0]["all"]["median_mm"] == 3.0


def test_films_without_an_answer_are_listed_and_count_as_misses(tmp_path: Path) -> None:
    names = ("a.png", "b.png", "gone.png")
    truth = write_truth(tmp_path / "points.csv", [(name, "1", MARKED) for name in names])
    write_prediction(tmp_path / "out", "a.png", (2, 0))
    write_prediction(tmp_path / "out", "unlabelled.png")
    nothing: dict[str, Any] = {
        "side": None,
        "measurements": {},
        "landmarks": [],
        "lines": {},
        "schoettle_point": None,
        "refused": "no femur was found",
        "masks": {},
    }
    write_document(tmp_path / "out", "b.png", nothing)
    comparison = compare_plannings(tmp_path / "out", [truth])
    summary = summarize_plannings(comparison)
    assert comparison.missing == (None, "no femur was found", "no prediction")
    assert comparison.unused == 1
    assert summary["schoettle_point"]["within_area_percent"] == pytest.approx(33.3333)
    assert summary["errors"]["schoettle_point"] == {"median_mm": 1.0, "low_mm": 1.0, "high_mm": 1.0, "films": 1}
    assert (summary["bones"]["femur"]["films"], summary["bones"]["femur"]["not_found"]) == (2, 1)


def test_the_truth_says_what_kind_it_is(tmp_path: Path) -> None:
    assert is_planning_truth(write_truth(tmp_path / "points.csv", [("a.png", "1", MARKED)]))
    (tmp_path / "pa.csv").write_text("image,side,spacing_mm,x0,y0\n")
    assert not is_planning_truth(tmp_path / "pa.csv")
    assert not is_planning_truth(tmp_path / "absent.csv")


def test_unusable_tables_get_one_line(tmp_path: Path) -> None:
    truth = write_truth(tmp_path / "points.csv", [("a.png", "1", MARKED)])
    with pytest.raises(KneeBundleError, match="the folder of a prediction with the formats json and png is needed"):
        compare_plannings(tmp_path / "out", [truth])
    write_prediction(tmp_path / "out", "b.png")
    with pytest.raises(KneeBundleError, match="none of its 1 films is among the 1 predicted"):
        compare_plannings(tmp_path / "out", [truth])
    with pytest.raises(KneeBundleError, match=r"a.png is there twice for rater 1"):
        compare_plannings(tmp_path / "out", [write_truth(truth, [("a.png", "1", MARKED)] * 2)])
    write_prediction(tmp_path / "out", "a.png", masks={"femur": np.ones((10, 10), dtype=bool)})
    with pytest.raises(KneeBundleError, match="the mask has 10 x 10 pixels .*, the image 200 x 160"):
        compare_plannings(tmp_path / "out", [write_truth(truth, [("a.png", "1", MARKED)])])


def test_the_command_line_takes_one_or_several_raters(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = [f"{number}.png" for number in range(7)]
    truths = [write_truth(tmp_path / f"{who}.csv", [(n, who, MARKED) for n in names]) for who in ("anna", "ben")]
    write_prediction(tmp_path / "out", names[0], (2, 0))
    given = [text for truth in truths for text in ("--truth", str(truth))]
    with pytest.raises(SystemExit) as stopped:
        cli.main(["evaluate", "--predictions", str(tmp_path / "out"), *given])
    said = capsys.readouterr()
    assert stopped.value.code == 0
    assert said.out.startswith("1 of 7 films have a Schoettle point")
    assert "automatic  centroid" in said.out
    assert said.err.splitlines()[0] == "no Schoettle point on 1.png: no prediction"
    assert "nor on 1 more" in said.err
    assert (tmp_path / "out" / "planning_evaluation.png").is_file()


def test_a_name_that_fits_two_predictions_is_an_error_until_its_folder_is_given(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_prediction(out, "a.png")
    second = json.loads((out / "a.json").read_text())
    second["image"]["path"] = "/other/a.png"
    (out / "other_a.json").write_text(json.dumps(second))
    with pytest.raises(KneeBundleError, match=r"a.png fits 2 predictions .*give the folders in the column 'image' too"):
        compare_plannings(out, [write_truth(tmp_path / "t.csv", [("a.png", "1", MARKED)])])


def test_a_prediction_without_pictures_is_compared_by_its_points_alone(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_prediction(out, "a.png", (2, 0))
    document = json.loads((out / "a.json").read_text())
    document["planning"]["masks"] = dict.fromkeys(document["planning"]["masks"])
    (out / "a.json").write_text(json.dumps(document))
    found = compare_plannings(out, [write_truth(tmp_path / "t.csv", [("a.png", "1", MARKED)])])
    assert np.isnan(found.iou[0]).all()
    assert found.landmarks_mm[0] == pytest.approx([1.0, 1.0])


def test_a_film_on_which_no_rater_has_a_point_has_no_offset(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_prediction(out, "a.png")
    truth = write_truth(tmp_path / "t.csv", [("a.png", "1", MARKED)])
    table = truth.read_text().splitlines()
    cells = table[1].split(",")
    truth.write_text(f"{table[0]}\n{','.join(cells[:4] + [''] * 8)}\n")
    found = compare_plannings(out, [truth])
    assert not found.labelled[0] and np.isnan(found.offsets_mm["automatic"]).all() and np.isnan(found.radii_mm[0])
