"""Whether a file is still the same."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kneebundle.errors import KneeBundleError
from kneebundle.io.file_content import check_regular, hash_content, list_parts, read_state
from kneebundle.io.reading import read_radiograph


@pytest.mark.parametrize("date", ["new", "old"])
def test_any_change_changes_state_and_hash(tmp_path: Path, date: str) -> None:
    file = tmp_path / "a.dcm"
    file.write_bytes(b"one")
    before, content = read_state(file), hash_content(file)
    dates = file.stat()
    file.write_bytes(b"two")
    if date == "old":
        os.utime(file, ns=(dates.st_atime_ns, dates.st_mtime_ns))
    assert read_state(file) != before and hash_content(file) != content


@pytest.mark.parametrize(
    ("names", "header"),
    [(("a.mhd", "a.raw"), "NDims = 2\nElementDataFile = a.raw\n"), (("a.hdr", "a.img"), "header")],
)
def test_the_pixels_of_a_two_file_image_are_a_part_of_it(tmp_path: Path, names: tuple[str, str], header: str) -> None:
    first, second = (tmp_path / name for name in names)
    first.write_text(header)
    second.write_bytes(b"one")
    assert list_parts(first) == [first, second]
    before, content = read_state(first), hash_content(first)
    second.write_bytes(b"two!")
    assert read_state(first) != before and hash_content(first) != content


def make_odd(folder: Path) -> dict[str, Path]:
    os.mkfifo(folder / "pipe.dcm")
    (folder / "zero.png").symlink_to("/dev/zero")
    (folder / "loop.png").symlink_to("loop.png")
    (folder / "folder.png").mkdir()
    return {name: folder / name for name in ("pipe.dcm", "zero.png", "loop.png", "folder.png")}


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("pipe.dcm", "a pipe or a device and no file"),
        ("zero.png", "a pipe or a device and no file"),
        ("loop.png", "cannot be opened"),
        ("folder.png", "this is a folder; one file is needed"),
    ],
)
def test_what_is_no_file_is_an_error_at_once(tmp_path: Path, name: str, says: str) -> None:
    path = make_odd(tmp_path)[name]
    assert read_state(path) is None and hash_content(path) is None
    for call in (check_regular, read_radiograph):
        with pytest.raises(KneeBundleError, match=says):
            call(path)


def test_a_folder_that_cannot_be_opened_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", denied)
    with pytest.raises(KneeBundleError, match=r"cannot be opened \(Permission denied\)"):
        check_regular(tmp_path)
