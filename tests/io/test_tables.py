"""Tables as spreadsheets write them."""

from __future__ import annotations

import csv
import logging
import os
import re
from pathlib import Path

import pytest

from kneebundle.errors import KneeBundleError
from kneebundle.io import tables
from kneebundle.io.tables import parse_number, parse_side, read_table, write_table

PLAIN = "path,side,spacing_mm\na.png,R,0.3\nb.png,L,0.25\n"
EXPECTED = [("a.png", "R", 0.3), ("b.png", "L", 0.25)]


def read(folder: Path, content: str | bytes) -> list[tuple[str, str, float]]:
    table = folder / "t.csv"
    table.write_bytes(content if isinstance(content, bytes) else content.encode())
    rows = read_table(table, ["path"])
    return [(r["path"], parse_side(r, "side", table), parse_number(r, "spacing_mm", r.line, table)) for r in rows]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (PLAIN, ""),
        (PLAIN.replace("\n", "\r\n"), ""),
        (PLAIN.replace("\n", "\r"), ""),
        ("\ufeff" + PLAIN, ""),
        (PLAIN.replace(",", ";"), "its cells are separated by semicolons"),
        (PLAIN.replace(",", "\t"), "its cells are separated by tabs"),
        ("sep=;\n" + PLAIN.replace(",", ";"), "its cells are separated by semicolons"),
        ("sep=,\n" + PLAIN, ""),
        (PLAIN.replace(",", ";").replace(".3", ",3").replace(".25", ",25"), "its numbers have decimal commas"),
        (PLAIN.replace("0.3", '"0,3"').replace("0.25", '"0,25"'), ""),
        (PLAIN.replace("0.3\n", "0.3,,\n") + ",,\n,,,,\n\n", ""),
        (PLAIN.replace("R", "r").replace(",L,", ",left,"), ""),
        (PLAIN.replace("path,side", "Path, SIDE "), ""),
        ("\n,,\n" + PLAIN, ""),
        (PLAIN.encode("utf-16"), "it is in UTF-16"),
        (PLAIN.replace("R", "R\0"), "it holds NUL characters, which were left out"),
    ],
)
def test_all_these_are_the_same_table(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: str | bytes, says: str
) -> None:
    with caplog.at_level(logging.WARNING):
        assert read(tmp_path, content) == EXPECTED
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == bool(says) and says in "".join(said)


def test_text_that_is_no_utf8_is_read_as_windows_writes_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert read(tmp_path, PLAIN.replace("a.png", "Müller.png").encode("cp1252"))[0][0] == "Müller.png"
    assert "was read as Windows-1252" in caplog.text


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("path,side,spacing_mm\n\n\na.png,R,x\n", "line 4: spacing_mm is 'x'; a finite number is needed"),
        ('path,side,spacing_mm\n"a\nb",R,1\n\nc,R,x\n', "line 5: spacing_mm is 'x'"),
        ("sep=;\npath;side;spacing_mm\na.png;R;x\n", "line 3: spacing_mm is 'x'"),
        ("\npath,side,spacing_mm\na.png,R,inf\n", "line 3: spacing_mm is 'inf'"),
        ("path,side,spacing_mm\na.png,R,1_000\n", "a finite number"),
        ("path,side,spacing_mm\na.png,R,²\n", "a finite number"),
        ('path,side,spacing_mm\na.png,R,"1,250"\n', "'1,250'; a finite number"),  # a thousand, or one and a quarter
        ("path,side,spacing_mm\na.png,R,0,3\n", "line 2: 4 cells, and the header has 3; put quotes around"),
        ("path,side,spacing_mm\na.png,X,1\n", "line 2: side is 'X'; one of R, L is needed"),
        ("path,path\na,b\n", "the column 'path' is there twice"),
        ("file\na.png\n", "no column 'path'; found: file"),
        ("", "no column 'path'; found: nothing"),
        (b"\x00\x01\x02\xff", "no column 'path'"),
        ('path,side\n"a' + "b" * 200_000 + '",R\n', "the table cannot be read"),
    ],
)
def test_what_cannot_be_understood_is_one_line_that_names_it(tmp_path: Path, content: str | bytes, says: str) -> None:
    with pytest.raises(KneeBundleError) as raised:
        read(tmp_path, content)
    assert says in str(raised.value) and "\n" not in str(raised.value) and len(str(raised.value)) < 700


def test_many_columns_that_are_missing_are_a_short_line(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(",".join(f"other{number}" for number in range(200)) + "\n")
    with pytest.raises(KneeBundleError, match="no column 'x0', .* and 26 more; found: other0") as raised:
        read_table(tmp_path / "t.csv", [f"x{number}" for number in range(32)])
    assert len(raised.value.reason) < 400


def test_what_is_no_file_is_one_line(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.csv"):
        with pytest.raises(KneeBundleError, match="the table cannot be read"):
            read_table(path, [])


def test_text_that_a_spreadsheet_would_run_is_quoted_and_read_back(tmp_path: Path) -> None:
    names = ["=cmd|' /C calc'!A0", "+1+1.png", "-x.png", "@SUM(A1)", "'quoted", "plain", "\ttab"]
    write_table(tmp_path / "t.csv", ["path", "x"], [[name, "-12.50"] for name in names] + [["n", -3.5]])
    with (tmp_path / "t.csv").open(newline="") as stream:
        cells = [row[0] for row in csv.reader(stream)][1:]
    assert not any(cell.startswith(("=", "+", "-", "@", "\t")) for cell in cells)
    back = read_table(tmp_path / "t.csv", ["path"])
    assert [row["path"] for row in back] == [name.strip() if name == "plain" else name for name in names] + ["n"]
    assert [row["x"] for row in back] == ["-12.50"] * len(names) + ["-3.5"], "numbers stay numbers"


def test_text_that_is_no_utf8_can_be_written(tmp_path: Path) -> None:
    write_table(tmp_path / "t.csv", ["path"], [["M\udcfcller.png"]])
    assert (tmp_path / "t.csv").read_text() == "path\nM\\xfcller.png\n"


def test_all_tables_are_written_in_one_place(repository: Path) -> None:
    writers = re.compile(r"csv\.(writer|DictWriter)|\.to_csv\(|writerows?\(")
    files = [
        *(repository / "kneebundle").rglob("*.py"),
        *(p for p in (repository / "scripts").iterdir() if p.is_file()),
    ]
    found = {file.name for file in files if writers.search(file.read_text(encoding="utf-8"))}
    assert found == {"tables.py"}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("path\n" + "a" * 200_000 + "\n", "the table cannot be read"),
        ("\x80\x07\x1b[31m,\u202e\nx\n", r"found: \?\?\?\[31m, \?; add"),
    ],
)
def test_what_is_no_table_is_an_error_in_one_line(tmp_path: Path, content: str, says: str) -> None:
    (tmp_path / "m.csv").write_text(content, encoding="utf-8")
    with pytest.raises(KneeBundleError, match=says) as raised:
        read_table(tmp_path / "m.csv", ["path"] if "path" in content else ["image"])
    assert len(str(raised.value)) < 500 and str(raised.value).isprintable()


def test_a_header_of_many_empty_cells_is_read(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("path" + "," * 200_000 + "\na.png\n")
    assert read_table(tmp_path / "m.csv", ["path"])[0]["path"] == "a.png"


def test_a_table_that_is_too_large_or_never_ends_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (Path("/dev/zero"), tmp_path / "pipe"):
        with pytest.raises(KneeBundleError, match="a pipe or a device"):
            read_table(path, ["path"])
    monkeypatch.setattr(tables, "_MOST_BYTES", 1 << 20)
    (tmp_path / "m.csv").write_bytes(b"path\n" * (1 << 18))
    with pytest.raises(KneeBundleError, match="larger than 1 MiB"):
        read_table(tmp_path / "m.csv", ["path"])
