"""Files of others are never replaced by a command that writes beside them."""

from __future__ import annotations

from pathlib import Path

import pytest

from kneebundle.errors import KneeBundleError
from kneebundle.io import own_files
from kneebundle.io.own_files import hold_files


def write(folder: Path, *names: str, text: str = "new", **options: object) -> None:
    with hold_files(folder, names, **options) as aside:  # type: ignore[arg-type]
        for name in names:
            (aside / name).write_text(text)


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


def list_files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def fail(folder: Path, error: BaseException) -> None:
    with hold_files(folder, ["a.csv"]) as aside:
        (aside / "a.csv").write_text("half")
        raise error


@pytest.mark.parametrize("error", [KeyboardInterrupt(), KneeBundleError("no")])
def test_a_write_that_fails_leaves_the_folder_as_it_was(tmp_path: Path, error: BaseException) -> None:
    write(tmp_path / "old", "a.csv")
    (tmp_path / "old/a.csv").write_text("changed")
    for folder in (tmp_path / "old", tmp_path / "x/new"):
        with pytest.raises(type(error)):
            fail(folder, error)
    assert list_files(tmp_path) == ["old", "old/.kneebundle", "old/.kneebundle/files.json", "old/a.csv"]
    assert (tmp_path / "old/a.csv").read_text() == "changed"


def test_files_of_a_run_that_was_killed_while_it_put_them_in_place_are_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(own_files, "_hash", lambda path: _stop() if path.exists() else None)
        with pytest.raises(KeyboardInterrupt):
            write(tmp_path, "a.csv")
    write(tmp_path, "a.csv", text="newer")
    assert list_files(tmp_path) == [".kneebundle", ".kneebundle/files.json", "a.csv"]


def _stop() -> None:
    raise KeyboardInterrupt


def test_an_error_names_the_place_of_the_file_and_what_was_read_is_not_the_folder(tmp_path: Path) -> None:
    with pytest.raises(KneeBundleError) as raised, hold_files(tmp_path / "out", ["a.ts"]) as aside:
        raise KneeBundleError("it differs", aside / "a.ts")
    assert raised.value.path == str(tmp_path / "out" / "a.ts")
    with pytest.raises(FileNotFoundError), hold_files(tmp_path / "out", ["a.ts"]):
        (tmp_path / "input").read_text()
    with pytest.raises(KneeBundleError, match="cannot be written to"), hold_files(tmp_path / "out", ["a.ts"]) as aside:
        (aside / "no" / "a.ts").write_text("")


def test_files_of_a_version_without_notes_may_be_replaced(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("old")
    write(tmp_path, "a.csv", is_older=lambda path: path.read_text() == "old")
    assert (tmp_path / "a.csv").read_text() == "new"


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(KneeBundleError, match="this folder cannot be written to"):
        write(tmp_path / "file", "a.csv")
