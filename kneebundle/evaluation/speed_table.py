"""What things cost in time and memory, as a table in Markdown and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from kneebundle.evaluation.text_tables import format_markdown
from kneebundle.io.writing import write_atomically

__all__ = ["Cost", "format_speed", "list_film_costs", "write_speed"]

_COLUMNS = ("", "which", "wall s", "processor s", "peak MB", "limit s", "times faster")


@dataclass(frozen=True)
class Cost:
    """Medians of what one thing costs.

    Attributes:
        row: what was measured.
        which: the contender.
        wall: seconds.
        processor: seconds of all cores together; NaN where it was not measured.
        peak_mb: the largest memory of the process; NaN where it was not measured.
        limit: seconds that the networks' operations take at the measured rate of matrix products; NaN: not known.
    """

    row: str
    which: str
    wall: float
    processor: float = float("nan")
    peak_mb: float = float("nan")
    limit: float = float("nan")


def list_film_costs(costs: Sequence[Cost], films: int) -> list[Cost]:
    """Add the cost of one more film, without the start: the long run less the short one, by the films between."""
    added = []
    for which in dict.fromkeys(cost.which for cost in costs):
        found = {cost.row: cost for cost in costs if cost.which == which}
        short, long = found.get("start and 1 film"), found.get(f"start and {films} films")
        if short is not None and long is not None and films > 1:
            wall, processor = (
                (b - a) / (films - 1) for a, b in ((short.wall, long.wall), (short.processor, long.processor))
            )
            added.append(replace(long, row="a film", wall=wall, processor=processor))
    return [*costs, *added]


def format_speed(costs: Sequence[Cost]) -> str:
    """Format the costs as a table in Markdown; ``times faster`` than the reference, or than before, is by wall seconds.

    Example:
        >>> print(format_speed([Cost("a film", "reference", 8.0), Cost("a film", "now", 0.5, 0.75, 900.0)]))
        |  | which | wall s | processor s | peak MB | limit s | times faster |
        | --- | --- | --- | --- | --- | --- | --- |
        | a film | reference | 8.000 |  |  |  |  |
        | a film | now | 0.500 | 0.750 | 900 |  | 16.0 than reference |
    """
    rows = []
    for row in dict.fromkeys(cost.row for cost in costs):
        group = [cost for cost in costs if cost.row == row]
        for cost in group:
            others = [o for o in group if (o.which, cost.which) in _COMPARED and cost.wall > 0]
            times = ", ".join(f"{o.wall / cost.wall:.1f} than {o.which}" for o in others)
            cells = [
                _number(cost.wall, 3),
                _number(cost.processor, 3),
                _number(cost.peak_mb, 0),
                _number(cost.limit, 3),
            ]
            rows.append([row, cost.which, *cells, times])
    return format_markdown(_COLUMNS, rows)


_COMPARED = {("reference", "before"), ("reference", "now"), ("before", "now")}


def _number(value: float, digits: int) -> str:
    return "" if np.isnan(value) else f"{value:.{digits}f}"


def write_speed(costs: Sequence[Cost], path: Path) -> None:
    """Write the costs as JSON; a number that is not known is null."""
    rows = [{k: None if isinstance(v, float) and np.isnan(v) else v for k, v in asdict(cost).items()} for cost in costs]
    with write_atomically(path) as temporary:
        temporary.write_text(json.dumps(rows, indent=1), encoding="utf-8")
