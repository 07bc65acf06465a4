"""The files of an evaluation of lateral films."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from kneebundle.evaluation.planning import PlanningComparison, summarize_plannings
from kneebundle.evaluation.planning_report import format_planning_summary, write_planning_evaluation


def comparison() -> PlanningComparison:
    """Two films of two raters, the second without an answer."""
    return PlanningComparison(
        images=("a.png", "b.png"),
        raters=("1", "2"),
        missing=(None, "no femur was found"),
        labelled=np.array([True, True]),
        suitable=np.array([True, True]),
        iou=np.array([[0.98, 0.97, 0.96, np.nan], [0.0, 0.0, 0.0, np.nan]]),
        surface_mm=np.array([[0.2, 0.3, 0.4, np.nan], [np.nan] * 4]),
        hausdorff_mm=np.array([[2.0, 3.0, 4.0, np.nan], [np.nan] * 4]),
        landmarks_mm=np.array([[1.0, 2.0], [np.nan, np.nan]]),
        line_mm=np.array([0.5, np.nan]),
        offsets_mm={
            "1": np.array([[0.0, 1.0], [0.0, 2.0]]),
            "2": np.array([[0.0, -1.0], [0.0, -2.0]]),
            "automatic": np.array([[1.5, 0.0], [np.nan, np.nan]]),
        },
        radii_mm=np.array([2.5, 2.5]),
        unused=0,
    )


def test_the_files_hold_what_was_measured(tmp_path: Path) -> None:
    found = comparison()
    write_planning_evaluation(found, summarize_plannings(found), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        f"planning_evaluation.{kind}" for kind in ("json", "csv", "png")
    }
    document = json.loads((tmp_path / "planning_evaluation.json").read_text())
    assert document["missing"] == [{"image": "b.png", "reason": "no femur was found"}]
    assert document["bones"]["femur"]["iou"]["mean"] == 0.49
    with (tmp_path / "planning_evaluation.csv").open() as stream:
        first, second = csv.DictReader(stream)
    assert (first["femur_iou"], first["automatic_anterior_mm"], first["1_proximal_mm"]) == ("0.98", "1.5", "1.0")
    assert (second["missing"], second["line_mm"], second["fibula_iou"]) == ("no femur was found", "", "")


def test_the_text_holds_the_tables_of_the_paper() -> None:
    text = format_planning_summary(summarize_plannings(comparison()))
    lines = {" ".join(line.split()[:2]): line.split() for line in text.splitlines() if line}
    assert "1 of 2 films have a Schoettle point" in text
    assert lines["femur 2"][3:6] == ["0.49", "+-", "0.49"]
    assert lines["fibula 0"][2:6] == ["0", "-", "+-", "-"]
    assert lines["line 1"][2:] == ["0.50", "[0.50,", "0.50]"]
    assert lines["1 2"][2:4] == ["2", "3.00"]
    assert lines["automatic centroid"][2:4] == ["1", "1.50"]


def test_the_plot_shows_points_and_circles(tmp_path: Path) -> None:
    found = comparison()
    write_planning_evaluation(found, summarize_plannings(found), tmp_path)
    picture = np.asarray(Image.open(tmp_path / "planning_evaluation.png").convert("RGB")).astype(int)
    assert picture.shape == (720, 720, 3)
    coloured = (picture.max(axis=2) - picture.min(axis=2)) > 60
    assert coloured.sum() > 200


def test_without_a_circle_of_the_raters_none_is_drawn(tmp_path: Path) -> None:
    found = replace(comparison(), radii_mm=np.full(2, np.nan))
    write_planning_evaluation(found, summarize_plannings(found), tmp_path)
    picture = (tmp_path / "planning_evaluation.png").read_bytes()
    write_planning_evaluation(comparison(), summarize_plannings(comparison()), tmp_path)
    assert picture != (tmp_path / "planning_evaluation.png").read_bytes()
