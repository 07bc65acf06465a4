"""Raters imitated on drawn lateral radiographs, where none has marked anything (for the form of Kordon's Table 2)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from kneebundle.io.tables import number_rows, parse_number, read_table, write_table
from kneebundle.landmarks import LATERAL_POINTS

__all__ = ["RATER_SD_MM", "imitate_raters"]

RATER_SD_MM = {"1": 1.5, "2": 1.0, "3": 1.0}
"""By rater, the standard deviation of a mark along each axis in mm. Raters 2 and 3 of the paper agree best."""
_MOST_OBLIQUE_DEG = 6.0


def imitate_raters(
    points: Path,
    seed: int = 0,
    spread_mm: Mapping[str, float] = RATER_SD_MM,
    most_oblique_deg: float = _MOST_OBLIQUE_DEG,
) -> list[Path]:
    """Write a table of marks a rater beside that of the true points: each point moved at random, along both axes.

    A radiograph is called suitable for planning, by all alike, where the knee is turned and leans by no more than
    ``most_oblique_deg`` together.

    Args:
        points: ``points.csv`` of drawn lateral radiographs (:func:`kneebundle.phantoms.lateral.synthesize_lateral`).
        seed: of the noise.
        spread_mm: by rater, its standard deviation along each axis.
        most_oblique_deg: largest sum of the two angles of a suitable radiograph.

    Returns:
        ``rater1.csv`` and so on.

    Raises:
        KneeBundleError: if the table cannot be used.
    """
    columns = [f"{point}_{axis}" for point in LATERAL_POINTS for axis in "xy"]
    rows = list(number_rows(read_table(points, ["image", "spacing_mm", "turn_deg", "lean_deg", *columns])))
    written = []
    for number, (rater, spread) in enumerate(spread_mm.items()):
        random = np.random.default_rng([seed, number])
        table = []
        for line, row in rows:
            value = {name: parse_number(row, name, line, points) for name in ["spacing_mm", "turn_deg", "lean_deg"]}
            true = np.array([parse_number(row, name, line, points) for name in columns])
            marked = true + random.normal(0.0, spread / value["spacing_mm"], len(true))
            suitable = int(abs(value["turn_deg"]) + abs(value["lean_deg"]) <= most_oblique_deg)
            table.append([row["image"], row["spacing_mm"], rater, suitable, *(f"{v:.2f}" for v in marked)])
        path = points.with_name(f"rater{rater}.csv")
        write_table(path, ["image", "spacing_mm", "rater", "suitable", *columns], table)
        written.append(path)
    return written
