from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from kneebundle.io.writing import remove_leftovers, write_atomically, write_together


def test_the_file_takes_its_place_only_when_the_block_is_done(tmp_path: Path) -> None:
    target = tmp_path / "result.nii.gz"
    with write_atomically(target) as temporary:
        temporary.write_text("new")
        assert not target.exists()
        assert temporary.parent == tmp_path
        assert temporary.name.endswith(".nii.gz")
    assert target.read_text() == "new"
    assert list(tmp_path.iterdir()) == [target]


def fail_to_write(target: Path, error: type[BaseException]) -> None:
    with write_atomically(target) as temporary:
        temporary.write_text("half")
        raise error


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path: Path, error: type[BaseException]) -> None:
    target = tmp_path / "result.csv"
    target.write_text("old")
    with pytest.raises(error):
        fail_to_write(target, error)
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_old_leftovers_are_swept_and_nothing_else(tmp_path: Path) -> None:
    old = [
        ".0123456789ab.png",
        ".0123456789ab.nii.gz",
        ".ray-0123456789ab",
        ".hidden.png",
        "k0.json",
        ".0123456789ab.d",
    ]
    for name in old[:-1]:
        (tmp_path / name).write_bytes(b"")
        os.utime(tmp_path / name, (0, 0))
    (tmp_path / old[-1]).mkdir()
    (tmp_path / ".ba9876543210.png").write_bytes(b"")  # perhaps being written
    remove_leftovers(tmp_path)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {".hidden.png", "k0.json", ".0123456789ab.d", ".ba9876543210.png"}


def fail_in_words(target: Path) -> None:
    """As pydicom does: another error of the same kind, with a page of text and no number."""
    with write_atomically(target):
        try:
            raise OSError(errno.ENOSPC, "No space left on device")
        except OSError as error:
            raise OSError("With tag PixelData got exception: ...\nTraceback ...") from error


def test_a_full_disk_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left on device") as raised:
        fail_in_words(tmp_path / "a.dcm")
    assert (raised.value.errno, raised.value.filename) == (errno.ENOSPC, str(tmp_path / "a.dcm"))
    with pytest.raises(FileNotFoundError) as raised, write_atomically(tmp_path / "no" / "b.csv") as temporary:
        temporary.write_text("")
    assert raised.value.filename == str(tmp_path / "no" / "b.csv"), "not the hidden name"


def write_two(folder: Path, error: Exception | None = None) -> None:
    with write_together(folder) as aside:
        (aside / "a").write_text("new")
        if error is not None:
            raise error
        (aside / "in").mkdir()
        (aside / "in/b").write_text("new")


def test_files_are_put_in_place_together_or_not_at_all(tmp_path: Path) -> None:
    folder = tmp_path / "x/y"
    with pytest.raises(ValueError, match="no"):
        write_two(folder, ValueError("no"))
    assert list(tmp_path.iterdir()) == []
    write_two(folder)
    (folder / "a").write_text("old")
    with pytest.raises(ValueError, match="no"):
        write_two(folder, ValueError("no"))
    assert (folder / "a").read_text() == "old"
    assert sorted(path.name for path in folder.rglob("*")) == ["a", "b", "in"]
