"""Error against the number of training images, as a table and a plot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kneebundle.evaluation.error_curve import save_error_curves
from kneebundle.evaluation.text_tables import format_markdown
from kneebundle.io.tables import write_table
from kneebundle.io.writing import write_atomically
from kneebundle.training.size_study import SizeRun

__all__ = ["LIMITS_MM", "format_size_study", "write_size_study"]

LIMITS_MM = (2.0, 4.0, 10.0)
"""Those of Payer et al. 2019: percent of landmarks farther off."""
_COLUMNS = ("knees", "network", "mean_mm", "median_mm", "p95_mm", *(f"over_{limit:g}mm_percent" for limit in LIMITS_MM))


def format_size_study(runs: Sequence[SizeRun]) -> str:
    """Format the table in Markdown, a row a run."""
    header = ["training knees", "network", "mean mm", "median mm", "95th percentile mm"]
    header += [f"% over {limit:g} mm" for limit in LIMITS_MM]
    rows = [[str(knees), name, *(f"{v:.2f}" for v in values)] for knees, name, *values in map(_summarize, runs)]
    return format_markdown(header, rows)


def write_size_study(runs: Sequence[SizeRun], folder: Path) -> None:
    """Write ``sizes.csv``, ``sizes.md`` and ``sizes.png``, and the cumulative error curves ``curves.csv`` and ``.png``.

    Args:
        runs: of the study; the errors of all their landmarks count alike.
        folder: made if it is not there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows = [[knees, name, *(f"{v:.4f}" for v in values)] for knees, name, *values in map(_summarize, runs)]
    write_table(folder / "sizes.csv", _COLUMNS, rows)
    with write_atomically(folder / "sizes.md") as temporary:
        temporary.write_text(format_size_study(runs) + "\n", encoding="utf-8")
    _plot(runs, folder / "sizes.png")
    curves = {f"{run.architecture}, {run.knees} knees": run.errors for run in runs}
    save_error_curves(curves, folder / "curves", limit_mm=LIMITS_MM[-1])


def _summarize(run: SizeRun) -> tuple:
    errors = run.errors[~np.isnan(run.errors)]
    beyond = (100.0 * float((errors > limit).mean()) for limit in LIMITS_MM)
    return (
        run.knees,
        run.architecture,
        float(errors.mean()),
        float(np.median(errors)),
        float(np.percentile(errors, 95)),
        *beyond,
    )


def _plot(runs: Sequence[SizeRun], path: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, 3.8), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    panels = zip(
        figure.subplots(1, 2),
        (2, len(_COLUMNS) - 1),
        ("mean error, mm", f"landmarks more than {LIMITS_MM[-1]:g} mm off, %"),
        strict=True,
    )
    sizes = sorted({run.knees for run in runs})
    for axes, column, label in panels:
        for name in dict.fromkeys(run.architecture for run in runs):
            points = sorted((row[0], row[column]) for row in map(_summarize, runs) if row[1] == name)
            axes.plot(*zip(*points, strict=True), marker="o", label=name)
        axes.set_xscale("log")
        axes.set_xticks(sizes, [str(size) for size in sizes])
        axes.minorticks_off()
        axes.set(xlabel="training knees", ylabel=label)
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
        axes.legend()
    with write_atomically(path) as temporary:
        figure.savefig(temporary, format="png")
