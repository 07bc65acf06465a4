"""KNEEL's Table 1 as it was trained here, with the paper's own figures beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from kneebundle.datasets.knees import read_knees
from kneebundle.evaluation.error_curve import save_error_curves
from kneebundle.evaluation.landmarks import OUTLIER_MM, Comparison
from kneebundle.evaluation.text_tables import format_markdown
from kneebundle.io.tables import write_table
from kneebundle.io.writing import write_atomically
from kneebundle.landmarks import KNEE_PA
from kneebundle.metrics.functional import RADII_MM, pck
from kneebundle.training.ablations import AblationRun

__all__ = ["CURVES", "PUBLISHED", "format_ablations", "order_rows", "split_errors_by_fold", "write_ablations"]

PUBLISHED: dict[str, tuple[str, tuple[float, ...]]] = {
    "aam_igo": ("AAM (IGO)", (7.29, 17.18, 28.07, 39.51, 7.49)),
    "aam_lbp": ("AAM (LBP)", (2.41, 8.02, 15.17, 24.33, 9.22)),
    "clm_igo": ("CLM (IGO)", (24.53, 39.84, 50.60, 61.43, 3.61)),
    "clm_lbp": ("CLM (LBP)", (2.67, 10.03, 18.65, 28.81, 9.36)),
    "l2": ("L2 loss", (0.00, 0.00, 0.07, 0.07, 92.78)),
    "l1": ("L1 loss", (17.45, 45.45, 66.11, 80.08, 2.67)),
    "robust": ("Robust loss", (13.97, 35.83, 57.35, 72.06, 4.68)),
    "elastic": ("Elastic loss", (4.14, 13.97, 27.21, 41.58, 9.36)),
    "wing": ("Wing loss", (31.68, 61.83, 78.68, 87.50, 2.14)),
    "bottleneck": ("Wing + regular res. block", (25.74, 55.48, 73.46, 83.82, 2.67)),
    "mixup_0.1_decay": ("Wing + MixUp 0.1", (27.54, 58.42, 77.21, 87.17, 2.27)),
    "mixup_0.2_decay": ("Wing + MixUp 0.2", (29.88, 58.96, 78.07, 86.16, 2.94)),
    "mixup_0.5_decay": ("Wing + MixUp 0.5", (29.61, 59.36, 77.81, 86.30, 2.67)),
    "mixup_0.75_decay": ("Wing + MixUp 0.75", (30.75, 59.63, 77.07, 86.36, 3.48)),
    "mixup_0.1": ("Wing + MixUp 0.1 (no wd)", (34.89, 63.64, 81.15, 89.24, 1.47)),
    "mixup_0.2": ("Wing + MixUp 0.2 (no wd)", (35.16, 64.17, 82.15, 89.91, 1.34)),
    "mixup_0.5": ("Wing + MixUp 0.5 (no wd)", (36.30, 65.04, 81.82, 89.91, 1.47)),
    "mixup_0.75": ("Wing + MixUp 0.75 (no wd)", (37.97, 67.45, 82.02, 90.51, 1.60)),
    "no_dropout": ("Wing + MixUp 0.75 (no wd, no dropout)", (37.10, 65.64, 81.75, 89.30, 1.47)),
    "jitter": ("Wing + MixUp 0.75 + jitter (no wd)", (36.63, 65.98, 83.09, 90.84, 1.60)),
    "cutout_5": ("Wing + MixUp 0.75 + cutout 5 % (no wd)", (34.96, 63.30, 80.15, 89.30, 1.07)),
    "cutout_10": ("Wing + MixUp 0.75 + cutout 10 % (no wd)", (37.83, 65.78, 81.35, 90.24, 0.53)),
    "cutout_25": ("Wing + MixUp 0.75 + cutout 25 % (no wd)", (35.56, 62.50, 80.01, 88.50, 0.94)),
    "stage1": ("Wing + MixUp 0.75 + cutout 10 % (no wd, finetune)", (45.92, 72.39, 85.36, 90.91, 1.34)),
}
"""Rows of Table 1 in the paper's order: what it calls them; mean PCK at 1, 1.5, 2, 2.5 mm and outliers, percent."""
CURVES = ("l1", "l2", "wing", "bottleneck", "mixup_0.75", "no_dropout", "cutout_10", "stage1")
"""Rows that a plot of curves shows."""


def order_rows(names: Sequence[str]) -> list[str]:
    """Sort the names of rows as in the paper; what it does not have comes last.

    Example:
        >>> order_rows(["stage1", "rfrv", "l1"])
        ['l1', 'stage1', 'rfrv']
    """
    places = {name: place for place, name in enumerate(PUBLISHED)}
    return sorted(names, key=lambda name: (places.get(name, len(places)), name))


def split_errors_by_fold(comparison: Comparison, dataset_dir: Path, folds: int = 5) -> dict[int, np.ndarray]:
    """Split the errors of knees that another method predicted by the fold of a knee.

    Args:
        comparison: of its predictions with the labels of the data set.
        dataset_dir: folder with images/ and landmarks.csv.
        folds: number of folds.

    Returns:
        By fold (K, N) mm, infinite where nothing was predicted; folds without a knee are left out.
    """
    split = {}
    for fold in range(folds):
        knees = {Path(record["image"]).name for record in read_knees(dataset_dir, "validation", fold, folds)}
        errors = comparison.select(knees).errors
        if len(errors):
            split[fold] = errors
    return split


def format_ablations(runs: Sequence[AblationRun]) -> str:
    """Format the table in Markdown: mean over the folds, and the standard deviation where there are several.

    PCK is over landmarks 0, 8, 9 and 15; an outlier is a landmark, any of the 16, more than 10 mm off, as in the paper.
    """
    radii = [f"@{radius:g} mm" for radius in RADII_MM]
    header = ["setting", "folds", *radii, "% out", "mean mm", "CPU s a fold", "paper: " + " / ".join(radii), "% out"]
    rows = []
    for run in runs:
        _, published = PUBLISHED.get(run.name, ("", ()))
        cells = [_format_spread(values) for values in _measure(run).T]
        seconds = np.array(list(run.seconds.values()))
        took = f"{seconds.mean():.0f}" if seconds.size and np.isfinite(seconds).all() else "-"
        theirs = [" / ".join(f"{value:.1f}" for value in published[:-1]), *(f"{v:.2f}" for v in published[-1:])]
        rows.append([_find_title(run), str(len(run.errors)), *cells, took, *(theirs if published else ["-", "-"])])
    return format_markdown(header, rows)


def write_ablations(runs: Sequence[AblationRun], folder: Path, curves: Sequence[str] = CURVES) -> None:
    """Write ``table1.md`` and ``table1.csv``, a row a fold, and cumulative error curves ``table1_curves``.

    Args:
        runs: of the table.
        folder: made if it is not there.
        curves: names of the runs that have a curve; where there is none of them, all have.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with write_atomically(folder / "table1.md") as temporary:
        temporary.write_text(format_ablations(runs) + "\n", encoding="utf-8")
    columns = ["setting", "fold", *(f"pck_{radius:g}mm" for radius in RADII_MM), "outliers_percent", "mean_mm"]
    rows = [
        [run.name, fold, *(round(float(value), 4) for value in values)]
        for run in runs
        for fold, values in zip(run.errors, _measure(run), strict=True)
    ]
    write_table(folder / "table1.csv", columns, rows)
    chosen = [run for run in runs if run.name in curves] or runs
    shown = {_find_title(run): np.concatenate(list(run.errors.values())) for run in chosen}
    save_error_curves(shown, folder / "table1_curves", landmarks=KNEE_PA.report)


def _find_title(run: AblationRun) -> str:
    return PUBLISHED[run.name][0] if run.name in PUBLISHED else run.name


def _measure(run: AblationRun) -> np.ndarray:
    """(F, 6): by fold PCK at the four radii, outliers in percent, mean error in mm of what was predicted."""
    measures: list[Callable[[np.ndarray], float]] = [
        *(lambda e, r=radius: pck(e, r, KNEE_PA.report) for radius in RADII_MM),
        lambda e: 100.0 - pck(e, OUTLIER_MM),
        lambda e: float(np.mean(e[:, list(KNEE_PA.report)][np.isfinite(e[:, list(KNEE_PA.report)])])),
    ]
    return np.array([[measure(errors) for measure in measures] for errors in run.errors.values()])


def _format_spread(values: np.ndarray) -> str:
    spread = f" ± {values.std(ddof=1):.2f}" if values.size > 1 else ""
    return f"{values.mean():.2f}{spread}"
