from __future__ import annotations

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
