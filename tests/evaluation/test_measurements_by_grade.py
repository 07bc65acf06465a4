"""Measurements of graded knees: the table, the rank correlation, predictions in place of labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kneebundle.errors import KneeBundleError
from kneebundle.evaluation.measurements_by_grade import format_grades, measure_graded_knees, write_grades
from kneebundle.io.reading import read_radiograph
from kneebundle.io.tables import write_table
from kneebundle.landmarks import KNEE_PA, Landmarks
from kneebundle.reports.json_report import to_document, write_document
from kneebundle.results import KneeResult, RadiographResult
from tests.measurements.drawn_joints import draw_joint

GAPS = {0: 6.0, 2: 4.0, 3: 2.5, 4: None}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four knees whose medial joint space falls with the grade; the last one's image shows no edge."""
    folder = tmp_path_factory.mktemp("graded")
    (folder / "images").mkdir()
    rows = []
    for grade, gap in GAPS.items():
        radiograph, landmarks = draw_joint((0.5, 0.5), medial_gap=gap or 3.0, lateral_gap=7.0, left=grade == 2)
        pixels = radiograph.pixels * 200 if gap else np.indices(radiograph.pixels.shape)[0] / 3
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"images/{grade}.png")
        rows.append([f"{grade}.png", "L" if grade == 2 else "R", 0.5, grade, *landmarks.points.ravel()])
    write_table(folder / "landmarks.csv", ["image", "side", "spacing_mm", "kl", *KNEE_PA.columns], rows)
    return folder


def test_the_joint_space_falls_with_the_grade(dataset: Path, tmp_path: Path) -> None:
    knees = measure_graded_knees(dataset)
    np.testing.assert_allclose(knees.values["joint_space_width_medial_200"], [6.0, 4.0, 2.5, np.nan], atol=0.15)
    assert knees.correlate("joint_space_width_narrower") == pytest.approx(-1.0)
    assert np.isnan(knees.correlate("anatomical_tibiofemoral_angle"))
    write_grades(knees, tmp_path / "out")
    lines = (tmp_path / "out/measurements_by_grade.csv").read_text().splitlines()
    column = lines[0].split(",").index("joint_space_width_medial_200_mm")
    assert [line.split(",")[0:2] for line in lines[1:]] == [[f"{g}.png", str(g)] for g in GAPS]
    assert lines[4].split(",")[column] == ""
    assert Image.open(tmp_path / "out/measurements_by_grade.png").size[0] > 600
    row = next(line for line in format_grades(knees).splitlines() if "medial_200" in line)
    assert row.split()[-2:] == ["-1.00", "25.0"]


def test_predicted_landmarks_take_the_place_of_labels(dataset: Path, tmp_path: Path) -> None:
    labels = [line.split(",") for line in (dataset / "landmarks.csv").read_text().splitlines()[1:]]
    for image, side, spacing, _, *points in labels[:2]:
        radiograph = read_radiograph(dataset / "images" / image, spacing_mm=float(spacing))
        landmarks = Landmarks(np.array(points, dtype=float).reshape(-1, 2), radius_mm=np.ones(16))
        result = RadiographResult(radiograph, (KneeResult(side, (0.0, 0.0), 140.0, landmarks),))  # type: ignore[arg-type]
        write_document(to_document(result), tmp_path / f"{Path(image).stem}.json")
    assert measure_graded_knees(dataset, tmp_path).images == ("0.png", "2.png")
    with pytest.raises(KneeBundleError, match="no knee of the data set has landmarks there"):
        measure_graded_knees(dataset, tmp_path / "nothing")
