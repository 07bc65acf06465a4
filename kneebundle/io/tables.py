"""CSV files: read with a check of their columns, written whole or not at all."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from kneebundle.errors import KneeBundleError
from kneebundle.io.writing import write_whole

__all__ = ["number_in", "read_table", "write_table"]


def read_table(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """The rows of a CSV file with a header, cells stripped; a cell that a row lacks is empty.

    Args:
        path: of the file, UTF-8.
        columns: those that it must have; others are read too.

    Raises:
        KneeBundleError: if it cannot be read or lacks a column.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream, restkey="", restval="")
            found = [name.strip() for name in reader.fieldnames or ()]
            reader.fieldnames = found
            rows = [{name: row[name].strip() for name in found} for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        problem = error.strerror if isinstance(error, OSError) else "it is not a CSV file in UTF-8"
        raise KneeBundleError(f"the table cannot be read ({problem}); give a CSV file", path) from error
    missing = [name for name in columns if name not in found]
    if missing:
        raise KneeBundleError(
            f"no column {', '.join(map(repr, missing))}; found: {', '.join(found) or 'nothing'}; add the column", path
        )
    return rows


def number_in(row: dict[str, str], column: str, line: int, path: Path) -> float:
    """The finite number in a cell.

    Raises:
        KneeBundleError: naming the line, if it holds anything else.
    """
    try:
        value = float(row[column])
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise KneeBundleError(f"line {line}: {column} is {row[column]!r}; a finite number is needed, correct it", path)
    return value


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a CSV file with a header, whole or not at all; None becomes an empty cell."""
    with write_whole(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
