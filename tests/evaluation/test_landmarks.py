"""Evaluation: values worked out by hand from errors that are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kneebundle.errors import KneeBundleError
from kneebundle.evaluation.landmark_report import format_each, write_evaluation
from kneebundle.evaluation.landmark_tables import read_predicted_spacing
from kneebundle.evaluation.landmarks import compare, measure_width, summarize, summarize_each
from kneebundle.io.tables import write_table
from kneebundle.reports.csv_tables import LANDMARK_COLUMNS

SPACING_MM = 0.5
KNEE = np.array([[10.0 * i, 50.0 + 3 * (i % 4)] for i in range(16)])


def write_truth(path: Path, rows: list[tuple[str, str, str]], knee: np.ndarray = KNEE) -> Path:
    columns = ["image", "side", "kl", "spacing_mm", *(f"{axis}{i}" for i in range(16) for axis in "xy")]
    write_table(path, columns, [[*row, SPACING_MM, *knee.ravel()] for row in rows])
    return path


def write_predictions(path: Path, knees: list[tuple[str, str, np.ndarray, float]]) -> Path:
    rows = [
        [image, side, i, "name", x, y, x * SPACING_MM, y * SPACING_MM, confidence]
        for image, side, points, confidence in knees
        for i, (x, y) in enumerate(points)
    ]
    path.mkdir(parents=True, exist_ok=True)
    write_table(path / "landmarks.csv", LANDMARK_COLUMNS, rows)
    return path


def moved(index: int, by_mm: float) -> np.ndarray:
    points = KNEE.copy()
    points[index, 1] += by_mm / SPACING_MM
    return points


def test_errors_are_mm_and_only_the_chosen_landmarks_count(tmp_path: Path) -> None:
    truth = write_truth(tmp_path / "t.csv", [("a.png", "R", "0"), ("a.png", "L", "2")])
    folder = write_predictions(
        tmp_path / "p", [("x/a.png", "R", moved(0, 1.2), 0.9), ("x/a.png", "L", moved(3, 11), 0.8)]
    )
    row = summarize(compare(folder, truth))["all"]
    assert row["knees"] == 2 and row["missing"] == 0
    assert row["pck_mm"] == {"1": 87.5, "1.5": 100.0, "2": 100.0, "2.5": 100.0}  # 7 of 8 chosen landmarks
    assert row["outliers"] == 50.0  # landmark 3 of one knee, not a chosen one
    assert row["mean_mm"] == pytest.approx(1.2 / 8)
    assert row["median_mm"] == 0.0
    assert summarize(compare(folder, truth), [0])["all"]["pck_mm"]["1"] == 50.0


def test_the_fit_takes_scale_and_shift_away(tmp_path: Path) -> None:
    truth = write_truth(tmp_path / "t.csv", [("a.png", "R", "0")])
    folder = write_predictions(tmp_path / "p", [("a.png", "R", KNEE * 1.1 + [7, -3], 0.9)])
    row = summarize(compare(folder, truth))["all"]
    assert row["pck_mm"]["2.5"] < 100
    assert set(row["pck_fitted_mm"].values()) == {100.0}


def test_a_missing_prediction_is_a_failure_but_not_in_the_mean(tmp_path: Path) -> None:
    truth = write_truth(tmp_path / "t.csv", [("a.png", "R", ""), ("gone.png", "R", ""), ("a.png", "L", "")])
    other = [("a.png", "R", moved(0, 2), 0.9), ("unlabelled.png", "R", KNEE, 0.9)]
    comparison = compare(write_predictions(tmp_path / "p", other), truth)
    row = summarize(comparison)["all"]
    assert (row["knees"], row["missing"], comparison.unused) == (3, 2, 1)
    assert row["pck_mm"] == {"1": 25.0, "1.5": 25.0, "2": 33.33, "2.5": 33.33}
    assert row["pck_fitted_mm"]["2.5"] == 33.33
    assert row["outliers"] == 66.67
    assert row["mean_mm"] == 0.5


def test_a_row_for_each_grade_and_each_quarter_by_confidence(tmp_path: Path) -> None:
    names = [f"{i}.png" for i in range(8)]
    truth = write_truth(tmp_path / "t.csv", [(name, "R", str(i % 2)) for i, name in enumerate(names)])
    knees = [(name, "R", moved(0, 2.4 if i < 2 else 0), 0.1 * i + 0.1) for i, name in enumerate(names)]
    table = summarize(compare(write_predictions(tmp_path / "p", knees), truth))
    assert list(table) == ["all", "KL 0", "KL 1", *(f"confidence quarter {i}" for i in (1, 2, 3, 4))]
    assert [row["knees"] for row in table.values()] == [8, 4, 4, 2, 2, 2, 2]
    assert table["confidence quarter 1"]["mean_mm"] == pytest.approx(0.6)
    assert table["confidence quarter 2"]["mean_mm"] == 0.0
    assert table["KL 1"]["mean_mm"] == pytest.approx(0.15)


def test_folders_in_the_truth_tell_files_of_one_name_apart(tmp_path: Path) -> None:
    folder = write_predictions(tmp_path / "p", [("in/a/001", "R", KNEE, 0.9), ("in/b/001", "R", moved(0, 5), 0.9)])
    with pytest.raises(KneeBundleError, match="001 R fits 2 predictions"):
        compare(folder, write_truth(tmp_path / "t.csv", [("001", "R", "")]))
    exact = compare(folder, write_truth(tmp_path / "t.csv", [("b/001", "R", "")]))
    assert exact.errors[0, 0] == pytest.approx(5.0)


def test_unusable_tables_get_one_line(tmp_path: Path) -> None:
    folder = write_predictions(tmp_path / "p", [("a.png", "R", KNEE, 0.9)])
    truth = tmp_path / "t.csv"
    bad = KNEE.copy()
    bad[3, 1] = np.nan
    with pytest.raises(KneeBundleError, match="line 2: y3 is 'nan'; a finite number is needed"):
        compare(folder, write_truth(truth, [("a.png", "R", "")], bad))
    with pytest.raises(KneeBundleError, match="none of its 1 knees is among the 1 predicted"):
        compare(folder, write_truth(truth, [("b.png", "R", "")]))
    with pytest.raises(KneeBundleError, match="line 3: a.png R has a row already"):
        compare(folder, write_truth(truth, [("a.png", "R", ""), ("a.png", "R", "")]))
    truth.write_text("image,side\na.png,R\n")
    with pytest.raises(KneeBundleError, match="no column 'spacing_mm', 'x0'"):
        compare(folder, truth)
    with pytest.raises(KneeBundleError, match="the folder of a prediction with the format csv is needed"):
        compare(tmp_path, truth)


def mark(path: Path, marks: dict[int, tuple[float, float]], side: str = "R", spacing_mm: float = SPACING_MM) -> Path:
    """A table of one knee with some landmarks marked and the cells of the others empty."""
    cells = [value for i in range(16) for value in marks.get(i, (None, None))]
    columns = ["image", "side", "spacing_mm", *(f"{axis}{i}" for i in range(16) for axis in "xy")]
    write_table(path, columns, [["a.png", side, spacing_mm, *cells]])
    return path


def test_a_landmark_that_is_not_marked_has_no_part(tmp_path: Path) -> None:
    folder = write_predictions(tmp_path / "p", [("a.png", "R", moved(0, 2), 0.9)])
    x, y = KNEE[8]
    comparison = compare(folder, mark(tmp_path / "t.csv", {0: tuple(KNEE[0]), 8: (x, y)}))
    table = summarize(comparison)["all"]
    assert (table["missing"], table["mean_mm"], table["outliers"]) == (0, 1.0, 0.0)
    assert table["pck_mm"]["1"] == 50.0  # of the two that are marked
    assert summarize(comparison, [9])["all"]["pck_mm"]["1"] is None
    each = {row["landmark"]: row for row in summarize_each(comparison, [0, 9])}
    assert (each[0]["knees"], each[0]["mean_mm"], each[0]["down_error_mm"]) == (1, 2.0, None)
    assert (each[9]["knees"], each[9]["mean_mm"]) == (0, None)
    write_evaluation(comparison, summarize(comparison, [9]), [9], tmp_path / "out")
    header, row = (tmp_path / "out/evaluation_knees.csv").read_text().splitlines()
    cells = dict(zip(header.split(","), row.split(","), strict=True))
    assert (cells["mean_mm"], cells["max_mm"], cells["error0_mm"], cells["error9_mm"]) == ("", "2.0", "2.0", "")


def test_several_readings_are_averaged_and_compared(tmp_path: Path) -> None:
    folder = write_predictions(tmp_path / "p", [("a.png", "R", KNEE, 0.9)])
    x, y = KNEE[0]
    first = mark(tmp_path / "1.csv", {0: (x + 2, y + 4), 8: tuple(KNEE[8])})
    second = mark(tmp_path / "2.csv", {0: (x + 4, y + 4)})
    comparison = compare(folder, first, second)
    assert comparison.labels_mm[0, 0] == pytest.approx(((x + 3) * SPACING_MM, (y + 4) * SPACING_MM))
    rows = {row["landmark"]: row for row in summarize_each(comparison, [0, 8])}
    assert (rows[0]["mean_mm"], rows[0]["readings_mm"]) == (2.5, 1.0)
    assert (rows[8]["mean_mm"], rows[8]["readings_mm"]) == (0.0, None)  # marked in one reading
    text = format_each(list(rows.values()), measure_width(comparison))
    assert "readings" in text.splitlines()[0]
    assert "readings" not in format_each(summarize_each(compare(folder, first), [0]), {"ratio": None})


@pytest.mark.parametrize(("side", "towards_fibula"), [("R", 1.0), ("L", -1.0)])
def test_offsets_are_towards_the_fibula_and_down(tmp_path: Path, side: str, towards_fibula: float) -> None:
    knee = KNEE + [-2, 4]  # 1 mm to the left of the image, 2 mm down
    folder = write_predictions(tmp_path / "p", [("a.png", side, knee, 0.9)])
    comparison = compare(folder, mark(tmp_path / "t.csv", {i: tuple(KNEE[i]) for i in (0, 8)}, side))
    (row,) = summarize_each(comparison, [8])
    assert (row["lateral_mm"], row["down_mm"]) == (towards_fibula, 2.0)


def test_the_width_of_the_plateau_is_a_ratio(tmp_path: Path) -> None:
    folder = write_predictions(tmp_path / "p", [("a.png", "R", KNEE * 0.9, 0.9)])
    comparison = compare(folder, mark(tmp_path / "t.csv", {0: tuple(KNEE[0]), 8: tuple(KNEE[8])}))
    assert measure_width(comparison) == {"knees": 1, "ratio": 0.9, "ratio_sd": None}
    only = compare(folder, mark(tmp_path / "t.csv", {0: tuple(KNEE[0])}))
    assert measure_width(only)["ratio"] is None


def test_marks_that_do_not_fit_get_one_line(tmp_path: Path) -> None:
    folder = write_predictions(tmp_path / "p", [("a.png", "R", KNEE, 0.9)])
    good = mark(tmp_path / "1.csv", {0: (1, 2)})
    with pytest.raises(KneeBundleError, match="line 2: y0 is ''; a finite number is needed"):
        compare(folder, mark(tmp_path / "t.csv", {0: (1, None)}))  # type: ignore[dict-item]
    with pytest.raises(KneeBundleError, match="line 2: no landmark is marked"):
        compare(folder, mark(tmp_path / "t.csv", {}))
    with pytest.raises(KneeBundleError, match=r"spacing_mm is 0.3, in another reading 0.5"):
        compare(folder, good, mark(tmp_path / "2.csv", {0: (1, 2)}, spacing_mm=0.3))


def test_tables_whose_numbers_cannot_be_get_one_line(tmp_path: Path) -> None:
    folder = write_predictions(tmp_path / "p", [("a.png", "R", KNEE, 0.9), ("a.png", "L", KNEE, 0.9)])
    truth = write_truth(tmp_path / "t.csv", [("a.png", "R", "")])
    rows = truth.read_text().splitlines()
    truth.write_text(rows[0] + "\n")
    with pytest.raises(KneeBundleError, match="the table has no rows"):
        compare(folder, truth)
    truth.write_text(f"{rows[0]}\n{rows[1].replace(f',{SPACING_MM},', ',-0.5,', 1)}\n")
    with pytest.raises(KneeBundleError, match="line 2: spacing_mm is -0.5; it must be above 0"):
        compare(folder, truth)
    write_truth(truth, [("a.png", "R", ""), ("p/a.png", "R", "")])
    write_predictions(folder, [("p/a.png", "R", KNEE, 0.9)])
    with pytest.raises(KneeBundleError, match="two of its rows are about the same predicted knee"):
        compare(folder, truth)
    table = folder / "landmarks.csv"
    table.write_text(table.read_text().replace("R,0,", "R,16,", 1))
    with pytest.raises(KneeBundleError, match="line 2: landmark is 16; 0 to 15 are known"):
        compare(folder, truth)


def test_the_pixel_size_of_a_prediction_is_not_told_from_points_at_the_border(tmp_path: Path) -> None:
    folder = write_predictions(tmp_path / "p", [("a.png", "R", KNEE, 0.9), ("b.png", "R", np.zeros((16, 2)), 0.9)])
    spacing = read_predicted_spacing(folder / "landmarks.csv")
    assert spacing == {(Path("a.png"), "R"): (SPACING_MM, SPACING_MM)}
