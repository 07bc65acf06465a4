"""Kordon's Tables 1 and 2: what could not be measured is a dash, the paper's figures stand beside ours."""

from kneebundle.evaluation.planning_tables import format_bones, format_raters


def test_the_bones_beside_the_papers() -> None:
    measured = {"mean": 0.98765, "sd": 0.01}
    row = {"films": 38, "iou": measured, "surface_distance_mm": measured, "hausdorff_distance_mm": {"mean": None}}
    (line,) = format_bones({"bones": {"fibula": row}}).splitlines()[2:]
    assert line == ("| fibula | 38 | 0.99 ± 0.01 | 0.99 ± 0.01 | - | 0.96 ± 0.02 | 0.14 ± 0.68 | 2.38 ± 5.41 |")


def test_the_raters_beside_the_papers() -> None:
    some = {"median_mm": 1.234, "low_mm": 1.0, "high_mm": 2.0, "films": 9}
    none = {"median_mm": None, "low_mm": None, "high_mm": None, "films": 0}
    rows = [{"first": "2", "second": "3", "all": some, "suitable": none}]
    rows.append({"first": "automatic", "second": "4", "all": some, "suitable": some})
    lines = format_raters({"raters": rows}).splitlines()[2:]
    assert lines[0] == "| 2 | 3 | 9 | 1.23 [1.00, 2.00] | 0 | - | 1.67 [1.37, 2.22] | 1.62 [1.07, 2.12] |"
    assert lines[1].endswith("| - | - |")
