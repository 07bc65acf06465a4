"""Files of others are never replaced by a command that writes beside them."""

from __future__ import annotations

from pathlib import Path

import pytest

from kneebundle.errors import KneeBundleError
from kneebundle.io.own_files import hold_files


def write(folder: Path, *names: str, text: str = "new", **options: object) -> None:
    with hold_files(folder, names, **options):  # type: ignore[arg-type]
        for name in names:
            (folder / name).write_text(text)


def test_own_files_are_replaced_and_others_are_an_error_before_the_work(tmp_path: Path) -> None:
    write(tmp_path / "out", "a.csv", "b.json")
    write(tmp_path / "out", "a.csv", "c.png", text="newer")
    assert (tmp_path / "out" / "a.csv").read_text() == "newer"
    (tmp_path / "out" / "d.csv").write_text("mine")
    with pytest.raises(KneeBundleError, match=r"kneebundle did not write.*: d\.csv; move them away"):
        write(tmp_path / "out", "a.csv", "d.csv", text="newest")
    assert (tmp_path / "out" / "a.csv").read_text() == "newer"
    assert (tmp_path / "out" / "d.csv").read_text() == "mine"


def test_a_file_that_was_changed_is_kept(tmp_path: Path) -> None:
    for number in range(3):
        write(tmp_path, "a.csv", text=f"new {number}")
        (tmp_path / "a.csv").write_text(f"changed {number}")
    assert (tmp_path / "a.changed.csv").read_text() == "changed 0"
    assert (tmp_path / "a.changed-2.csv").read_text() == "changed 1"


def test_a_killed_write_leaves_files_that_are_known_as_own(tmp_path: Path) -> None:
    def stop() -> None:
        (tmp_path / "a.csv").write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), hold_files(tmp_path, ["a.csv"]):
        stop()
    write(tmp_path, "a.csv")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".kneebundle", "a.csv"]


def test_files_of_a_version_without_notes_may_be_replaced(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("old")
    write(tmp_path, "a.csv", is_older=lambda path: path.read_text() == "old")
    assert (tmp_path / "a.csv").read_text() == "new"


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(KneeBundleError, match="this folder cannot be written to"):
        write(tmp_path / "file", "a.csv")
