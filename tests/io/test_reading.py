from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from kneebundle.errors import KneeBundleError
from kneebundle.io.dicom_writing import write_dicom
from kneebundle.io.reading import read_radiograph


def _png(path: Path, values: np.ndarray) -> Path:
    Image.fromarray(values).save(path)
    return path


def test_words_of_the_caller_go_before_those_of_the_file(tmp_path: Path, knee: np.ndarray) -> None:
    write_dicom(tmp_path / "knee.dcm", knee, (0.2, 0.2), side="R", view="pa-single")
    stated = read_radiograph(tmp_path / "knee.dcm")
    assert (stated.side, stated.view, stated.path) == ("R", "pa-single", str(tmp_path / "knee.dcm"))
    given = read_radiograph(tmp_path / "knee.dcm", side="L", view="lateral")
    assert (given.side, given.view) == ("L", "lateral")
    assert "the side was given as L, though the file says R" in given.notes


def test_a_spacing_in_the_file_goes_before_the_argument(tmp_path: Path, knee: np.ndarray) -> None:
    write_dicom(tmp_path / "knee.dcm", knee, (0.2, 0.2))
    read = read_radiograph(tmp_path / "knee.dcm", spacing_mm=0.5)
    assert (read.spacing_mm, read.spacing_source) == ((0.2, 0.2), "PixelSpacing")
    assert any("the given spacing is not used: the file states 0.2 x 0.2 mm" in note for note in read.notes)


def test_uniform_edges_are_noted_and_left(tmp_path: Path, knee: np.ndarray) -> None:
    framed = np.pad(knee, ((8, 4), (10, 0)), constant_values=0)
    read = read_radiograph(_png(tmp_path / "knee.png", framed), spacing_mm=0.2)
    np.testing.assert_array_equal(read.pixels, framed)
    assert "top 8, bottom 4, left 10, right 0 px" in read.notes[-1]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("empty.dcm", b"", r"empty\.dcm: the file is empty; copy or export it again"),
        ("words.txt", b"only words, and more of them", r"words\.txt: this is no image that can be read; DICOM, PNG"),
        (
            "words.png",
            b"only words, and more of them",
            r"words\.png: the content is not what the file's name promises; copy",
        ),
        (
            "words.dcm",
            b"only words, and more of them" * 9,
            r"words\.dcm: this is no DICOM file, or it is cut off in its header",
        ),
        ("words.mha", b"only words, and more of them", r"words\.mha: the content is not"),
        ("words.nii", b"only words, and more of them", r"words\.nii: the content is not"),
        ("scan.tif", b"II*\0" + bytes(60), r"scan\.tif: this is no image that can be read"),
    ],
)
def test_a_file_that_is_no_image_is_one_line_of_error(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(KneeBundleError, match=reason) as raised:
        read_radiograph(tmp_path / name, spacing_mm=0.2)
    assert "\n" not in str(raised.value)


def test_a_missing_file_and_a_folder_are_errors(tmp_path: Path) -> None:
    with pytest.raises(KneeBundleError, match=r"nowhere\.png: there is no such file"):
        read_radiograph(tmp_path / "nowhere.png")
    with pytest.raises(KneeBundleError, match=r"this is a folder"):
        read_radiograph(tmp_path)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.zeros((10, 10), np.uint8), r"only 10 x 10 pixels; at least 32 a side"),
        (np.full((50, 50), 7, np.uint8), r"the image is blank"),
    ],
)
def test_an_image_without_a_knee_in_it_is_an_error(tmp_path: Path, values: np.ndarray, reason: str) -> None:
    with pytest.raises(KneeBundleError, match=r"x\.png: .*" + reason):
        read_radiograph(_png(tmp_path / "x.png", values), spacing_mm=0.5)


@pytest.mark.parametrize("spacing", [0.0, -0.2, 200.0, float("nan"), (0.2, 0.0), 0.03])
def test_a_spacing_that_no_radiograph_has_is_an_error(tmp_path: Path, knee: np.ndarray, spacing: float) -> None:
    with pytest.raises(
        KneeBundleError, match=r"x\.png: the spacing was given as a pixel spacing of .*; the size of one pixel"
    ):
        read_radiograph(_png(tmp_path / "x.png", knee), spacing_mm=spacing)


@pytest.mark.parametrize(("field", "value"), [("side", "left"), ("side", ""), ("view", "pa"), ("view", "auto")])
def test_a_word_that_is_none_of_those_known_is_an_error(
    tmp_path: Path, knee: np.ndarray, field: str, value: str
) -> None:
    Image.fromarray((knee // 64).astype(np.uint8)).save(tmp_path / "knee.png")
    given: Any = {field: value}
    with pytest.raises(KneeBundleError, match=f"a {field} is .*, got {value!r}") as raised:
        read_radiograph(tmp_path / "knee.png", spacing_mm=0.3, **given)
    assert raised.value.field == field


def test_what_begins_like_a_packed_file_and_is_none_is_no_image(tmp_path: Path) -> None:
    (tmp_path / "knee.nii.gz").write_bytes(b"\x1f\x8bnot packed at all")
    with pytest.raises(KneeBundleError, match=r"knee\.nii\.gz"):
        read_radiograph(tmp_path / "knee.nii.gz")
