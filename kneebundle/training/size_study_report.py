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
_MEASURES = ("mean_mm", "median_mm", "p95_mm", *(f"over_{limit:g}mm_percent" for limit in LIMITS_MM))


def format_size_study(runs: Sequence[SizeRun]) -> str:
    """Format the table in Markdown, a row for each network and size: mean ± standard deviation of the seeds."""
    header = ["training knees", "network", "seeds", "mean mm", "median mm", "95th percentile mm"]
    header += [f"% over {limit:g} mm" for limit in LIMITS_MM]
    rows = []
    for (knees, name), group in _group(runs).items():
        values = np.array([_summarize(run) for run in group])
        rows.append([str(knees), name, str(len(group)), *(_format_spread(column) for column in values.T)])
    return format_markdown(header, rows)


def write_size_study(runs: Sequence[SizeRun], folder: Path) -> None:
    """Write ``sizes.csv``, ``sizes.md`` and ``sizes.png``, and the cumulative error curves ``curves.csv`` and ``.png``.

    Args:
        runs: of the study; the errors of all their landmarks count alike, and in the curves those of all seeds.
        folder: made if it is not there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows = [[run.knees, run.architecture, run.seed, *(f"{v:.4f}" for v in _summarize(run))] for run in runs]
    write_table(folder / "sizes.csv", ["knees", "network", "seed", *_MEASURES], rows)
    with write_atomically(folder / "sizes.md") as temporary:
        temporary.write_text(format_size_study(runs) + "\n", encoding="utf-8")
    _plot(runs, folder / "sizes.png")
    curves = {
        f"{name}, {knees} knees": np.concatenate([run.errors for run in group])
        for (knees, name), group in _group(runs).items()
    }
    save_error_curves(curves, folder / "curves", limit_mm=LIMITS_MM[-1])


def _group(runs: Sequence[SizeRun]) -> dict[tuple[int, str], list[SizeRun]]:
    """By number of knees and network the runs with all seeds, smaller sets first."""
    groups: dict[tuple[int, str], list[SizeRun]] = {}
    for run in sorted(runs, key=lambda run: (run.knees, run.architecture, run.seed)):
        groups.setdefault((run.knees, run.architecture), []).append(run)
    return groups


def _summarize(run: SizeRun) -> tuple[float, ...]:
    errors = run.errors[~np.isnan(run.errors)]
    beyond = (100.0 * float((errors > limit).mean()) for limit in LIMITS_MM)
    return float(errors.mean()), float(np.median(errors)), float(np.percentile(errors, 95)), *beyond


def _format_spread(values: np.ndarray) -> str:
    spread = f" ± {values.std(ddof=1):.2f}" if len(values) > 1 else ""
    return f"{values.mean():.2f}{spread}"


def _plot(runs: Sequence[SizeRun], path: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, 3.8), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    groups = _group(runs)
    panels = zip(
        figure.subplots(1, 2),
        (0, -1),
        ("mean error, mm", f"landmarks more than {LIMITS_MM[-1]:g} mm off, %"),
        strict=True,
    )
    sizes = sorted({run.knees for run in runs})
    for axes, column, label in panels:
        for name in dict.fromkeys(run.architecture for run in runs):
            mine = {knees: group for (knees, other), group in groups.items() if other == name}
            values = [[_summarize(run)[column] for run in group] for group in mine.values()]
            spread = [np.std(part, ddof=1) if len(part) > 1 else 0.0 for part in values]
            axes.errorbar(list(mine), [np.mean(p) for p in values], yerr=spread, marker="o", capsize=3, label=name)
        axes.set_xscale("log")
        axes.set_xticks(sizes, [str(size) for size in sizes])
        axes.minorticks_off()
        axes.set(xlabel="training knees", ylabel=label)
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
        axes.legend()
    with write_atomically(path) as temporary:
        figure.savefig(temporary, format="png")
