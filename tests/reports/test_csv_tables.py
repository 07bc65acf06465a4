"""The tables over all radiographs."""

from __future__ import annotations

from pathlib import Path

from kneebundle.reports.csv_tables import write_errors, write_landmarks, write_measurements
from kneebundle.reports.json_report import to_document
from tests.reports.test_json_report import result


def test_a_row_a_landmark_and_a_row_a_measurement(tmp_path: Path) -> None:
    write_landmarks([to_document(result())], tmp_path / "l.csv")
    lines = (tmp_path / "l.csv").read_text().splitlines()
    assert lines[0] == "path,side,landmark,name,x_px,y_px,x_mm,y_mm,confidence,radius_mm,flags"
    assert lines[2] == "a.dcm,R,1,tibia_lateral_plateau_outer,3.0,30.0,1.2,6.0,0.877,2.718,cut_off"
    assert len(lines) == 17
    write_measurements([to_document(result())], tmp_path / "m.csv")
    lines = (tmp_path / "m.csv").read_text().splitlines()
    assert lines[0] == "path,side,name,value,unit,uncertainty,source,flags"
    assert lines[1:] == [
        "a.dcm,R,tibial_plateau_width,6.4,mm,0.25,landmarks,cut_off",
        "a.dcm,R,joint_space_width_medial,,mm,,edges,cut_off",
    ]


def test_reasons_with_commas_and_quotes_stay_one_cell(tmp_path: Path) -> None:
    write_errors([("a,b.dcm", 'found "x", needed y')], tmp_path / "e.csv")
    assert (tmp_path / "e.csv").read_text() == 'path,reason\n"a,b.dcm","found ""x"", needed y"\n'
