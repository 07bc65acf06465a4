"""Several networks compared on the same knees, in one table and one plot."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from kneebundle.evaluation.error_curve import save_error_curves
from kneebundle.evaluation.landmarks import Comparison, summarize
from kneebundle.evaluation.text_tables import format_markdown
from kneebundle.io.tables import write_table
from kneebundle.io.writing import write_atomically
from kneebundle.landmarks import KNEE_PA
from kneebundle.metrics.functional import RADII_MM

__all__ = ["format_networks", "write_networks"]


def format_networks(comparisons: Mapping[str, Comparison]) -> str:
    """Format the table in Markdown, a row a network; :mod:`kneebundle.evaluation.landmarks` says what is counted."""
    radii = " / ".join(f"{radius:g}" for radius in RADII_MM)
    header = ["network", "knees", "missing", f"PCK at {radii} mm", "after best scale and shift"]
    header += ["outliers, % of knees", "mean mm", "median mm"]
    lines = []
    for name, comparison in comparisons.items():
        row = summarize(comparison)["all"]
        shares = [" / ".join(f"{p:.1f}" for p in row[key].values()) for key in ("pck_mm", "pck_fitted_mm")]
        lengths = ["-" if row[key] is None else f"{row[key]:.2f}" for key in ("mean_mm", "median_mm")]
        lines.append([name, str(row["knees"]), str(row["missing"]), *shares, f"{row['outliers']:.1f}", *lengths])
    return format_markdown(header, lines)


def write_networks(comparisons: Mapping[str, Comparison], folder: Path) -> None:
    """Write ``networks.md`` and ``networks.csv``, and the cumulative error curves ``curves.csv`` and ``curves.png``.

    Args:
        comparisons: of the same knees, by the name of the network; the curves are over landmarks 0, 8, 9, 15.
        folder: made if it is not there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with write_atomically(folder / "networks.md") as temporary:
        temporary.write_text(format_networks(comparisons) + "\n", encoding="utf-8")
    columns = ["network", "knees", "missing", *(f"pck_{r:g}mm" for r in RADII_MM)]
    columns += [*(f"pck_fitted_{r:g}mm" for r in RADII_MM), "outliers_percent", "mean_mm", "median_mm"]
    rows = []
    for name, comparison in comparisons.items():
        row = summarize(comparison)["all"]
        shares = [*row["pck_mm"].values(), *row["pck_fitted_mm"].values()]
        rows.append([name, row["knees"], row["missing"], *shares, row["outliers"], row["mean_mm"], row["median_mm"]])
    write_table(folder / "networks.csv", columns, rows)
    save_error_curves({n: c.errors for n, c in comparisons.items()}, folder / "curves", landmarks=KNEE_PA.report)
