"""CSV files: read with a check of their columns, written atomically."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from kneebundle.errors import KneeBundleError
from kneebundle.io.writing import write_atomically

__all__ = ["parse_number", "read_table", "write_table"]


def read_table(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """Read a CSV file with a header.

    Args:
        path: of the file, UTF-8.
        columns: those that it must have; others are read too.

    Returns:
        The rows by column, cells stripped; a cell that a row lacks is empty.

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


def parse_number(row: dict[str, str], column: str, line: int, path: Path) -> float:
    """Parse the finite number in a cell.

    Args:
        row: of :func:`read_table`.
        column: of the cell.
        line: of the row in the file, for the error.
        path: of the file, for the error.

    Raises:
        KneeBundleError: if the cell holds anything else; it names the line.
    """
    try:
        value = float(row[column])
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise KneeBundleError(f"line {line}: {column} is {row[column]!r}; a finite number is needed, correct it", path)
    return value


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a CSV file with a header, atomically; None becomes an empty cell."""
    with write_atomically(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
