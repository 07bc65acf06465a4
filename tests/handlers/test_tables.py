"""Tables of predictions: a row a landmark in pixels of the file, a row a hand with its scale."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ignite.engine import Engine

from kneebundle.handlers.class_table import ClassTable
from kneebundle.handlers.hand_table import HandTable
from kneebundle.handlers.tables import LandmarkTable, PredictionTable


def evaluate(table: PredictionTable, batches: list[list[dict[str, Any]]], runs: int = 1) -> list[str]:
    """The lines of the table after evaluations whose items hold their own prediction."""
    evaluator = Engine(lambda engine, batch: [{"pred": item["found"]} for item in batch])
    table.attach(evaluator)
    for _ in range(runs):
        evaluator.run(batches)
    return table.path.read_text().splitlines()


def item(path: str, found: list[list[float]], **more: Any) -> dict[str, Any]:
    """Pixels of 0.5 mm down and 0.25 mm across."""
    return {"path": path, "image_spacing_mm": (0.5, 0.25), "found": torch.tensor(found), **more}


def test_landmarks_are_in_pixels_of_the_file_and_a_second_run_starts_anew(tmp_path: Path) -> None:
    first = item("a.png", [[10.0, 20.0, 0.9], [1.0, 2.0, 0.25]])
    second = item("b.png", [[3.0, 4.0, 0.5]], first_landmark=1)
    lines = evaluate(LandmarkTable(tmp_path / "out"), [[first], [second]], runs=2)
    assert lines == [
        "path,landmark,x_px,y_px,confidence",
        "a.png,0,40.000,40.000,0.9000",
        "a.png,1,4.000,4.000,0.2500",
        "b.png,1,12.000,8.000,0.5000",
    ]


@pytest.mark.parametrize(("apart_mm", "spacing"), [(20.0, "0.62500"), (0.0, "")])
def test_the_scale_of_a_hand_follows_from_the_ends_of_its_wrist(tmp_path: Path, apart_mm: float, spacing: str) -> None:
    points = np.tile([5.0, 5.0, 0.75], (37, 1))
    points[4] = (5.0 + apart_mm, 5.0, 0.5)
    lines = evaluate(HandTable(tmp_path), [[item("hand.png", points.tolist())]])
    assert lines == ["path,spacing_mm,confidence", f"hand.png,{spacing},0.5000"]


def test_the_class_of_a_region_is_its_likeliest(tmp_path: Path) -> None:
    logits = torch.log(torch.tensor([0.1, 0.7, 0.15, 0.05]))
    found = torch.cat([logits, torch.tensor([0.2, -0.1])])  # the joint's place is no class
    lines = evaluate(ClassTable(tmp_path), [[{"path": "a.png", "found": found}]])
    assert lines == [
        "path,class,native_right,native_left,implant,not_a_knee",
        "a.png,native_left,0.1000,0.7000,0.1500,0.0500",
    ]
