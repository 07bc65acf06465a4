"""KNEEL's Table 2: predictions by fold, knees with and without osteoarthritis, failures that count."""

from pathlib import Path

import numpy as np
import pytest

from kneebundle.datasets.knees import read_knees
from kneebundle.errors import KneeBundleError
from kneebundle.evaluation.landmarks import Comparison
from kneebundle.evaluation.test_sets import (
    TEST_LANDMARKS,
    MethodResult,
    compare_held_out,
    format_test_sets,
    select_by_grade,
    write_test_sets,
)
from kneebundle.io.tables import write_table
from kneebundle.landmarks import KNEE_PA


def make_comparison(errors: np.ndarray, grades: tuple[str, ...]) -> Comparison:
    """Knees of given errors."""
    points = np.zeros((*errors.shape, 2))
    return Comparison(
        images=tuple(f"{k}.png" for k in range(len(errors))),
        sides=("R",) * len(errors),
        grades=grades,
        errors=errors,
        fitted=errors,
        confidence=np.full(errors.shape, 0.5),
        points_mm=points,
        labels_mm=points,
        readings_mm=np.full(errors.shape, np.nan),
        unused=0,
    )


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Labels of eight knees of as many subjects, 1 mm a pixel; images that nobody opens."""
    folder = tmp_path / "data"
    (folder / "images").mkdir(parents=True)
    rows = []
    for k in range(8):
        (folder / "images" / f"{k}R.png").touch()
        rows.append([f"{k}R.png", k, "R", k % 2 * 3, 1.0, *range(32)])
    write_table(folder / "landmarks.csv", ["image", "subject_id", "side", "kl", "spacing_mm", *KNEE_PA.columns], rows)
    return folder


def write_predictions(folder: Path, images: list[str], shift: float) -> None:
    """What ``predict`` writes: the labels, moved along x."""
    rows = [
        [f"/moved/{image}", "R", landmark, 2 * landmark + shift, 2 * landmark + 1]
        for image in images
        for landmark in range(16)
    ]
    write_table(folder / "landmarks.csv", ["path", "side", "landmark", "x_px", "y_px"], rows)


def test_folds_that_were_not_predicted_do_not_count(dataset: Path, tmp_path: Path) -> None:
    kept_apart = {}
    for fold in (0, 2):
        kept_apart[fold] = [Path(r["image"]).name for r in read_knees(dataset, "validation", fold, 4)]
        (tmp_path / f"out/fold{fold}").mkdir(parents=True)
    write_predictions(tmp_path / "out/fold0", kept_apart[0], 1.0)
    write_predictions(tmp_path / "out/fold2", kept_apart[2][:1], 3.0)  # of two
    comparison = compare_held_out(tmp_path / "out", dataset, folds=4)
    assert set(comparison.images) == {*kept_apart[0], *kept_apart[2]}
    assert int(comparison.missing.sum()) == 1
    np.testing.assert_allclose(comparison.errors[0], 1.0)


def test_one_table_of_all_knees(dataset: Path, tmp_path: Path) -> None:
    write_predictions(tmp_path, [f"{k}R.png" for k in range(7)], 0.5)
    comparison = compare_held_out(tmp_path, dataset)
    assert (len(comparison.images), int(comparison.missing.sum())) == (8, 1)
    of_two = compare_held_out(tmp_path, dataset, folds=4, only=(1, 3))
    assert len(of_two.images) == sum(len(read_knees(dataset, "validation", fold, 4)) for fold in (1, 3))


def test_a_folder_without_predictions(dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(KneeBundleError, match=r"no landmarks.csv in it, and none in fold0"):
        compare_held_out(tmp_path, dataset)


def test_the_table_has_the_deviation_over_landmarks_and_a_row_a_group(tmp_path: Path) -> None:
    errors = np.full((4, 16), 0.5)
    errors[:, 4] = 1.2
    errors[3] = np.inf
    errors[0, 1] = 11.0
    results = [
        MethodResult("apart", "ours", make_comparison(errors, ("0", "1", "2", "4"))),
        MethodResult("films", "ours", make_comparison(errors[:1], ("",))),
    ]
    rows = format_test_sets(results).splitlines()[2:]
    assert [row.split(" | ")[1] for row in rows] == ["all", "KL < 2", "KL >= 2", "all"]
    share = [75.0, 0.0, 75.0, 75.0, 75.0, 75.0]
    outliers = 100 * (1 + 16) / 64
    assert rows[0] == (
        f"| apart | all | ours | 4 | 1 | {np.mean(share):.1f} ± {np.std(share, ddof=1):.1f} | 75.0 ± 0.0 | 75.0 ± 0.0 "
        f"| 75.0 ± 0.0 | {outliers:.2f} | {(5 * 0.5 + 1.2) / 6:.2f} | 0.50 |"
    )
    write_test_sets(results, tmp_path)
    header = (tmp_path / "figure6_apart.csv").read_text().splitlines()[0]
    assert (
        header == '"radius_mm","ours, KL < 2","ours, KL >= 2"' or header == 'radius_mm,"ours, KL < 2","ours, KL >= 2"'
    )
    assert (tmp_path / "figure6_films.csv").read_text().splitlines()[0] == "radius_mm,ours"
    assert len(TEST_LANDMARKS) == 6


def test_knees_of_some_grades() -> None:
    comparison = make_comparison(np.zeros((3, 16)), ("2", "0", "4"))
    assert select_by_grade(comparison, (2, 3, 4)).images == ("0.png", "2.png")
