"""CSV files: read as spreadsheets write them, with a check of their columns; written atomically."""

from __future__ import annotations

import csv
import io
import logging
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from kneebundle.errors import KneeBundleError, in_brief
from kneebundle.io.file_content import check_regular
from kneebundle.io.paths import show_path
from kneebundle.io.writing import write_atomically

__all__ = ["TableRow", "number_rows", "parse_number", "parse_side", "read_table", "write_table"]

_log = logging.getLogger(__name__)

_MOST_BYTES = 256 << 20
_SEPARATORS = (",", ";", "\t", "|")
_SEPARATOR_NAMES = {";": "semicolons", "\t": "tabs", "|": "bars"}
_SEPARATOR_LINE = re.compile(r"^\s*\"?sep=(.)\"?[;,\t]*\s*$", re.IGNORECASE)
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?")
_THOUSANDS = re.compile(r"[+-]?\d{1,3},\d{3}")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_NAMED = 6
_SIDES = {"r": "R", "right": "R", "l": "L", "left": "L"}


class TableRow(dict[str, str]):
    """A row by column.

    Attributes:
        line: number of the line that it begins at in the file, from 1.
        separator: that stands between the cells of the file.
    """

    def __init__(self, cells: Mapping[str, str], line: int, separator: str = ",") -> None:
        super().__init__(cells)
        self.line = line
        self.separator = separator


def read_table(path: Path, columns: Sequence[str]) -> list[TableRow]:
    """Read a CSV file with a header, as programs and spreadsheets write it.

    Cells may be separated by commas, semicolons, tabs or bars, also where a first line ``sep=;`` says so. Text is
    UTF-8, UTF-16 or, where it is neither, Windows-1252. Names of columns may be in capitals; columns that nobody asks
    for come in small letters. Rows without any content are left out, and so are empty cells beyond the last column.
    What is not as this package writes it is logged as a warning, in one line.

    Args:
        path: of the file.
        columns: those that it must have; others are read too.

    Returns:
        The rows by column, cells stripped; a cell that a row lacks is empty. The quote before what a spreadsheet would
        run as a formula is taken away, see :func:`write_table`.

    Raises:
        KneeBundleError: if it cannot be read, lacks a column or has it twice, or if a row has more cells than columns.
    """
    text, notes = _read_text(path)
    lines = text.splitlines(keepends=True)
    skipped = 0
    separator = None
    if lines and (said := _SEPARATOR_LINE.match(lines[0])) is not None:
        separator, skipped = said[1], 1
    while skipped < len(lines) and not lines[skipped].strip(" \t\r\n,;|"):
        skipped += 1
    body = "".join(lines[skipped:])
    separator = separator or _find_separator(body, columns)
    try:
        rows = list(_split(body, separator, skipped))
    except csv.Error as error:
        raise KneeBundleError(f"the table cannot be read ({in_brief(error)}); give a CSV file", path) from error
    header = _read_header(rows[0][1] if rows else [], columns, path)
    if separator != ",":
        notes.append(f"its cells are separated by {_SEPARATOR_NAMES.get(separator, separator)}")
    filled = [(line, cells) for line, cells in rows[1:] if any(cell.strip() for cell in cells)]
    table = [_make_row(cells, header, line, separator, path) for line, cells in filled]
    if separator != "," and any(_DECIMAL_COMMA.fullmatch(cell) for row in table for cell in row.values()):
        notes.append("its numbers have decimal commas")
    if notes:
        _log.warning("%s: %s", show_path(path), ", ".join(notes))
    return table


def number_rows(rows: Iterable[TableRow]) -> Iterator[tuple[int, TableRow]]:
    """Give each row with the number of its line in the file."""
    return ((row.line, row) for row in rows)


def parse_number(row: Mapping[str, str], column: str, line: int, path: Path) -> float:
    """Parse the finite number in a cell; it may have a decimal comma.

    Args:
        row: of :func:`read_table`.
        column: of the cell.
        line: of the row in the file, for the error.
        path: of the file, for the error.

    Raises:
        KneeBundleError: if the cell holds anything else, or a comma that may be one of thousands; it names the line.
    """
    text = row[column]
    among_commas = getattr(row, "separator", ",") == ","
    if _DECIMAL_COMMA.fullmatch(text) and not (among_commas and _THOUSANDS.fullmatch(text)):
        text = text.replace(",", ".")
    try:
        value = float(text) if text.isascii() and "_" not in text else math.nan
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise KneeBundleError(f"line {line}: {column} is {row[column]!r}; a finite number is needed, correct it", path)
    return value


def parse_side(row: TableRow, column: str, path: Path) -> str:
    """Parse the side in a cell, R or L; small letters and the English words are understood.

    Raises:
        KneeBundleError: if the cell holds anything else; it names the line.
    """
    side = _SIDES.get(row[column].lower())
    if side is None:
        raise KneeBundleError(f"line {row.line}: {column} is {row[column]!r}; one of R, L is needed", path)
    return side


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a CSV file with a header, atomically; None becomes an empty cell.

    Text that a spreadsheet would run as a formula, such as the name of a file that begins with ``=``, gets a quote
    ``'`` in front; :func:`read_table` takes it away.
    """
    with write_atomically(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow([_disarm(column) for column in columns])
        writer.writerows([_disarm(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)


def _disarm(text: str) -> str:
    text = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return f"'{text}" if text.startswith(_FORMULA) and not _NUMBER.fullmatch(text) else text


def _arm(text: str) -> str:
    return text[1:] if text.startswith("'") and text[1:].startswith(_FORMULA) else text


def _read_text(path: Path) -> tuple[str, list[str]]:
    """The text of a file, and what is to be said of it."""
    notes: list[str] = []
    if not path.is_dir():
        check_regular(path)
    try:
        with path.open("rb") as file:
            raw = file.read(_MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        problem = getattr(error, "strerror", None) or str(error)
        raise KneeBundleError(f"the table cannot be read ({problem}); give a CSV file", path) from error
    if len(raw) > _MOST_BYTES:
        raise KneeBundleError(f"the table is larger than {_MOST_BYTES >> 20} MiB; give it in parts", path)
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        notes.append("it is in UTF-16")
        text = raw.decode("utf-16", "replace")
    else:
        try:
            text = raw.decode("utf-8-sig")
        except UnicodeDecodeError:
            notes.append("it is not in UTF-8 and was read as Windows-1252")
            text = raw.decode("cp1252", "replace")
    if "\0" in text:
        notes.append("it holds NUL characters, which were left out")
        text = text.replace("\0", "")
    return text, notes


def _find_separator(body: str, columns: Sequence[str]) -> str:
    """The separator that makes the wanted columns out of the first line or, if none does, the most cells."""
    first = next(iter(body.splitlines()), "")[: csv.field_size_limit()]
    split = {sep: next(csv.reader([first], delimiter=sep), []) for sep in _SEPARATORS}
    cells = {sep: [cell.strip().lower() for cell in found] for sep, found in split.items()}
    wanted = [name.lower() for name in columns]
    return max(_SEPARATORS, key=lambda sep: (sum(name in cells[sep] for name in wanted), len(cells[sep])))


def _split(body: str, separator: str, skipped: int) -> Iterable[tuple[int, list[str]]]:
    """The cells of each row with the number of its first line."""
    reader = csv.reader(io.StringIO(body, newline=""), delimiter=separator)
    line = skipped + 1
    for cells in reader:
        yield line, cells
        line = skipped + reader.line_num + 1


def _read_header(cells: Sequence[str], columns: Sequence[str], path: Path) -> list[str]:
    found = [cell.strip() for cell in cells]
    spelled = {name.lower(): name for name in columns}
    header = [name if name in columns else spelled.get(name.lower(), name.lower()) for name in found]
    missing = [name for name in columns if name not in header]
    if missing:
        shown = ", ".join(name for name in found if name) or "nothing"
        shown = "".join(letter if letter.isprintable() else "?" for letter in shown[:200])
        more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
        lacking = f"{', '.join(map(repr, missing[:_NAMED]))}{more}"
        raise KneeBundleError(f"no column {lacking}; found: {shown}; add the column", path)
    twice = sorted({name for name in header if name and header.count(name) > 1})
    if twice:
        raise KneeBundleError(f"the column {twice[0]!r} is there twice; leave one of them", path)
    return header


def _make_row(cells: Sequence[str], header: Sequence[str], line: int, separator: str, path: Path) -> TableRow:
    beyond = [cell for cell in cells[len(header) :] if cell.strip()]
    if beyond:
        raise KneeBundleError(
            f"line {line}: {len(cells)} cells, and the header has {len(header)}; put quotes around a cell with "
            f"{'commas' if separator == ',' else 'separators'} in it",
            path,
        )
    filled = [*cells, *[""] * (len(header) - len(cells))]
    return TableRow({n: _arm(c.strip()) for n, c in zip(header, filled, strict=False) if n}, line, separator)
