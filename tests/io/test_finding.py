from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kneebundle.errors import KneeBundleError
from kneebundle.io.dicom_writing import write_dicom
from kneebundle.io.finding import find_images


def test_a_mixed_folder_gives_its_images_sorted(tmp_path: Path, knee: np.ndarray) -> None:
    (tmp_path / "b" / "deep").mkdir(parents=True)
    (tmp_path / ".cache").mkdir()
    write_dicom(tmp_path / "b" / "deep" / "001", knee, (0.2, 0.2))
    write_dicom(tmp_path / "b" / "1.2.840.113619.2.5", knee, (0.2, 0.2))
    write_dicom(tmp_path / ".cache" / "x.dcm", knee, (0.2, 0.2))
    bare = (tmp_path / "b" / "deep" / "001").read_bytes()[132:]
    (tmp_path / "b" / "no_preamble").write_bytes(bare)
    Image.fromarray(knee).save(tmp_path / "a.PNG")
    (tmp_path / "broken.dcm").write_bytes(b"nonsense")
    (tmp_path / "empty.dcm").write_bytes(b"")
    (tmp_path / "scan.tif").write_bytes(b"II*\0")
    for name in (
        "notes.txt",
        "t.csv",
        "t.json",
        "README.md",
        "x.py",
        "x.xml",
        "DICOMDIR",
        ".hidden.png",
        "LICENSE",
        "Thumbs.db",
    ):
        (tmp_path / name).write_text("no image here, only words")
    (tmp_path / "pair.hdr").write_bytes(b"header")
    (tmp_path / "pair.img").write_bytes(b"pixels")

    found = [str(path.relative_to(tmp_path)) for path in find_images(tmp_path)]

    assert found == [
        "a.PNG",
        "b/1.2.840.113619.2.5",
        "b/deep/001",
        "b/no_preamble",
        "broken.dcm",
        "empty.dcm",
        "pair.hdr",
        "scan.tif",
    ]


def test_a_file_is_returned_whatever_it_is(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("words")
    assert find_images(file) == [file]


def test_a_folder_without_images_and_a_missing_path_are_errors(tmp_path: Path) -> None:
    with pytest.raises(KneeBundleError, match=r"no image was found in this folder; give"):
        find_images(tmp_path)
    with pytest.raises(KneeBundleError, match=r"nowhere: there is no such file or folder"):
        find_images(tmp_path / "nowhere")


def draw(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.eye(40, dtype=np.uint8)).save(path)
    return path


def test_linked_folders_are_searched_once_and_loops_end(tmp_path: Path) -> None:
    real = draw(tmp_path / "store/a.png")
    own = draw(tmp_path / "in/b.png")
    (tmp_path / "in/linked").symlink_to(tmp_path / "store")
    (tmp_path / "in/again").symlink_to(tmp_path / "store")
    (tmp_path / "in/own").symlink_to(tmp_path / "in")
    (tmp_path / "store/up").symlink_to(tmp_path / "in")
    assert find_images(tmp_path / "in") == [tmp_path / "in/again/a.png", own]
    assert real.exists()


def test_a_folder_that_cannot_be_opened_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = draw(tmp_path / "in/a.png")
    (tmp_path / "in/locked").mkdir()
    scan = os.scandir

    def denied(path: Path) -> os._ScandirIterator[str]:
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", denied)
    assert find_images(tmp_path / "in") == [image, tmp_path / "in/locked"]


def test_pipes_and_broken_links_do_not_hold_the_search_up(tmp_path: Path) -> None:
    image = draw(tmp_path / "a.png")
    os.mkfifo(tmp_path / "pipe")
    os.mkfifo(tmp_path / "pipe.dcm")
    (tmp_path / "gone.png").symlink_to(tmp_path / "nothing")
    (tmp_path / "zero").symlink_to("/dev/zero")
    (tmp_path / "loop").symlink_to("loop")
    assert find_images(tmp_path) == [image, tmp_path / "gone.png", tmp_path / "pipe.dcm"]
    assert find_images(tmp_path / "loop") == [tmp_path / "loop"], "what is named is reported"


@pytest.mark.parametrize("place", ["", ".records"])
def test_pictures_that_kneebundle_made_are_no_input(tmp_path: Path, place: str) -> None:
    image = draw(tmp_path / "in/knee.png")
    for name in ("knee.png", "knee_femur.png", "knee_before_after.png", "thumbnails/knee.jpg"):
        draw(tmp_path / "in/earlier" / name)
    other = draw(tmp_path / "in/earlier/other_femur.png")
    (tmp_path / "in/earlier" / place).mkdir(exist_ok=True)
    (tmp_path / "in/earlier" / place / "knee.json").write_text('{"schema": "kneebundle/landmarks/1"}')
    (tmp_path / "in/earlier/other.json").write_text('{"mine": 1}')
    assert find_images(tmp_path / "in") == [other, image]
