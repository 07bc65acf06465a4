"""Methods compared on sets of knees that none of them was trained on (KNEEL Table 2 and Figure 6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kneebundle.datasets.knees import read_knees
from kneebundle.errors import KneeBundleError
from kneebundle.evaluation.error_curve import save_error_curves
from kneebundle.evaluation.landmarks import OUTLIER_MM, Comparison, compare
from kneebundle.evaluation.text_tables import format_markdown
from kneebundle.io.writing import write_atomically
from kneebundle.metrics.functional import RADII_MM, pck

__all__ = [
    "TEST_LANDMARKS",
    "MethodResult",
    "compare_held_out",
    "format_test_sets",
    "select_by_grade",
    "write_test_sets",
]

TEST_LANDMARKS = (0, 4, 8, 9, 12, 15)
"""Landmarks that KNEEL counts on its test sets (section 4.3)."""
_GROUPS = {"KL < 2": (0, 1), "KL >= 2": (2, 3, 4)}


@dataclass(frozen=True)
class MethodResult:
    """What one method predicted on one test set.

    Attributes:
        test_set: its name.
        method: its name.
        comparison: of its predictions with the labels.
    """

    test_set: str
    method: str
    comparison: Comparison


def compare_held_out(
    predictions: Path, dataset_dir: Path, folds: int = 5, only: Sequence[int] | None = None
) -> Comparison:
    """Compare predictions of knees by networks or models that had not seen them.

    Args:
        predictions: folder with ``landmarks.csv`` of all knees, or with ``fold0/landmarks.csv`` and so on; of the folds
            that are missing no knee counts.
        dataset_dir: folder with images/ and landmarks.csv.
        folds: number of folds, by subject.
        only: the folds that count; None: all.

    Raises:
        KneeBundleError: if there are no predictions.
    """
    truth = dataset_dir / "landmarks.csv"
    wanted = list(range(folds)) if only is None else list(only)
    knees = {f: {Path(r["image"]).name for r in read_knees(dataset_dir, "validation", f, folds)} for f in wanted}
    if (predictions / "landmarks.csv").is_file():
        return compare(predictions, truth).select(set().union(*knees.values()))
    present = [fold for fold in wanted if (predictions / f"fold{fold}" / "landmarks.csv").is_file()]
    if not present:
        raise KneeBundleError(f"there is no landmarks.csv in it, and none in fold{wanted[0]}, ...", predictions)
    return _join([compare(predictions / f"fold{fold}", truth).select(knees[fold]) for fold in present])


def _join(parts: Sequence[Comparison]) -> Comparison:
    return Comparison(
        images=sum((part.images for part in parts), ()),
        sides=sum((part.sides for part in parts), ()),
        grades=sum((part.grades for part in parts), ()),
        errors=np.concatenate([part.errors for part in parts]),
        fitted=np.concatenate([part.fitted for part in parts]),
        confidence=np.concatenate([part.confidence for part in parts]),
        points_mm=np.concatenate([part.points_mm for part in parts]),
        labels_mm=np.concatenate([part.labels_mm for part in parts]),
        readings_mm=np.concatenate([part.readings_mm for part in parts]),
        unused=0,
    )


def select_by_grade(comparison: Comparison, grades: Sequence[int]) -> Comparison:
    """Select the knees of some Kellgren-Lawrence grades.

    Args:
        comparison: of all knees.
        grades: from 0 to 4.
    """
    wanted = {str(grade) for grade in grades}
    graded = zip(comparison.images, comparison.grades, strict=True)
    return comparison.select({image for image, grade in graded if grade in wanted})


def format_test_sets(results: Sequence[MethodResult]) -> str:
    """Format Table 2 in Markdown, with a row for knees with and without radiographic osteoarthritis where it is known.

    As in the paper ``±`` is the standard deviation over the six landmarks, and an outlier is a landmark, any of the 16,
    more than 10 mm off. A knee without a prediction counts as a failure.
    """
    header = ["test set", "knees", "method", "number", "not measured", *(f"@{r:g} mm" for r in RADII_MM), "% out"]
    header += ["mean mm", "median mm"]
    rows = []
    for result in results:
        for group, comparison in _list_groups(result.comparison):
            errors = comparison.errors
            cells = [_format_pck(errors, radius) for radius in RADII_MM]
            found = errors[~comparison.missing][:, list(TEST_LANDMARKS)]
            found = found[~np.isnan(found)]
            lengths = [f"{found.mean():.2f}", f"{np.median(found):.2f}"] if found.size else ["-", "-"]
            counts = [str(len(errors)), str(int(comparison.missing.sum()))]
            outliers = f"{100.0 - pck(errors, OUTLIER_MM):.2f}"
            rows.append([result.test_set, group, result.method, *counts, *cells, outliers, *lengths])
    return format_markdown(header, rows)


def write_test_sets(results: Sequence[MethodResult], folder: Path) -> None:
    """Write ``table2.md`` and, for each test set, ``figure6_<test set>.png`` and ``.csv``, the cumulative error curves.

    Args:
        results: of all methods on all sets.
        folder: made if it is not there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with write_atomically(folder / "table2.md") as temporary:
        temporary.write_text(format_test_sets(results) + "\n", encoding="utf-8")
    for test_set in dict.fromkeys(result.test_set for result in results):
        curves = {}
        for result in results:
            if result.test_set == test_set:
                groups = list(_list_groups(result.comparison))
                for group, comparison in groups[1:] or groups:
                    name = result.method if group == "all" else f"{result.method}, {group}"
                    curves[name] = comparison.errors
        save_error_curves(curves, folder / f"figure6_{test_set.replace(' ', '_')}", landmarks=TEST_LANDMARKS)


def _list_groups(comparison: Comparison) -> list[tuple[str, Comparison]]:
    """All knees and, where grades are known, those without and with radiographic osteoarthritis."""
    groups = [("all", comparison), *((name, select_by_grade(comparison, grades)) for name, grades in _GROUPS.items())]
    return [(name, group) for name, group in groups if group.images]


def _format_pck(errors: np.ndarray, radius: float) -> str:
    each = np.array([pck(errors, radius, (landmark,)) for landmark in TEST_LANDMARKS])
    each = each[np.isfinite(each)]
    return f"{pck(errors, radius, TEST_LANDMARKS):.1f} ± {each.std(ddof=1) if each.size > 1 else 0.0:.1f}"
