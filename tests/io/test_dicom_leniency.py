"""Attributes that are broken and that nobody needs cost nothing; a choice that the reader makes is said."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset, FileDataset, dcmread, uid
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag

from kneebundle.errors import KneeBundleError
from kneebundle.io.dicom_writing import write_dicom
from kneebundle.io.reading import read_radiograph

CURVE = (np.arange(4096) ** 1.6 / 4095**0.6).astype("<u2").tobytes()


def _raw(dataset: Dataset, tag: int, vr: str, value: bytes) -> bool:
    value += b" " * (len(value) % 2)
    dataset._dict[Tag(tag)] = RawDataElement(Tag(tag), vr, len(value), value, 0, False, True)
    return True


def _set(dataset: Dataset, values: dict[str, Any]) -> None:
    for keyword, value in values.items():
        setattr(dataset, keyword, value)


def _lut(dataset: Dataset, *elements: tuple[int, str, Any]) -> None:
    item = Dataset()
    for element in elements:
        item.add_new(*element)
    dataset.VOILUTSequence = [item]


def _edit(path: Path, change: Callable[[FileDataset], object]) -> Path:
    dataset = dcmread(path)
    change(dataset)
    dataset.save_as(path)
    return path


@pytest.fixture
def film(tmp_path: Path, knee: np.ndarray) -> Path:
    write_dicom(tmp_path / "x.dcm", knee, (0.2, 0.3))
    return tmp_path / "x.dcm"


BROKEN: dict[str, Callable[[Dataset], object]] = {
    "VOI LUT without values": lambda d: _lut(d, (0x00283002, "SS", None), (0x00283006, "OW", None)),
    "VOI LUT without anything": lambda d: _lut(d),
    "VOI LUT with two numbers": lambda d: _lut(d, (0x00283002, "US", [4096, 0]), (0x00283006, "OW", CURVE)),
    "slope with a comma": lambda d: _raw(d, 0x00281053, "DS", b"1,0"),
    "slope given twice": lambda d: _raw(d, 0x00281053, "DS", b"1\\1"),
    "slope of 0": lambda d: setattr(d, "RescaleSlope", 0),
    "slope in words": lambda d: _raw(d, 0x00281053, "DS", b"one"),
    "sigmoid without a centre": lambda d: _set(d, {"VOILUTFunction": "SIGMOID", "WindowWidth": 2000}),
    "padding of another kind": lambda d: _raw(d, 0x00280120, "OW", struct.pack("<H", 7)),
    "padding without an end": lambda d: (
        _raw(d, 0x00280120, "US", struct.pack("<H", 7)) and _raw(d, 0x00280121, "US", b"")
    ),
    "modality DR": lambda d: setattr(d, "Modality", "DR"),
    "a blank before MONOCHROME2": lambda d: _raw(d, 0x00280004, "CS", b" MONOCHROME2"),
    "no photometric interpretation": lambda d: d.__delitem__(0x00280004),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_nobody_needs_may_be_broken(film: Path, knee: np.ndarray, name: str) -> None:
    read = read_radiograph(_edit(film, BROKEN[name]))
    np.testing.assert_array_equal(read.pixels, knee)
    if name.startswith(("VOI", "sigmoid")):
        assert any("cannot be used and was not applied" in note for note in read.notes)
    if name in ("slope of 0", "slope in words"):
        assert any("RescaleSlope" in note for note in read.notes)


@pytest.mark.parametrize(
    ("tag", "vr", "value"),
    [
        (0x00280030, "DS", b"0,2\\0,3"),
        (0x00280030, "DS", b"0.2,0.3"),
        (0x00280030, "UT", b"0.2\\0.3"),
    ],
)
def test_a_spacing_is_read_however_it_is_written(film: Path, tag: int, vr: str, value: bytes) -> None:
    def change(dataset: Dataset) -> None:
        dataset.pop("ImagerPixelSpacing", None)
        _raw(dataset, tag, vr, value)

    read = read_radiograph(_edit(film, change))
    assert read.spacing_mm == (0.2, 0.3)
    assert any("comma" in note for note in read.notes) == (b"," in value)


@pytest.mark.parametrize("value", [b"nan\\nan", b"1e9\\1e9", b"wide", b"0.3", b"1\\1", b"0.3\\0.9"])
def test_a_spacing_that_is_not_believed_is_said(film: Path, value: bytes) -> None:
    def change(dataset: Dataset) -> None:
        dataset.ImagerPixelSpacing = [0.35, 0.35]
        _raw(dataset, 0x00280030, "DS", value)

    read = read_radiograph(_edit(film, change))
    assert (read.spacing_mm, read.spacing_source) == ((0.35, 0.35), "ImagerPixelSpacing")
    assert any("PixelSpacing" in note and "not believed" in note for note in read.notes)


def test_spacings_that_do_not_go_together_are_said(film: Path) -> None:
    read = read_radiograph(
        _edit(film, lambda d: _set(d, {"PixelSpacing": [0.2, 0.2], "ImagerPixelSpacing": [0.9, 0.9]}))
    )
    assert read.spacing_mm == (0.2, 0.2)
    assert any("does not go with ImagerPixelSpacing" in note for note in read.notes)


def test_another_size_than_the_pixels_fill_is_an_error(film: Path) -> None:
    with pytest.raises(KneeBundleError, match=r"the pixels take 15360 bytes, though 96 rows and 40 columns need 7680"):
        read_radiograph(_edit(film, lambda d: setattr(d, "Columns", 40)))


@pytest.mark.parametrize("bits", [1, 8])
def test_more_bits_than_are_stated_are_read(film: Path, knee: np.ndarray, bits: int) -> None:
    read = read_radiograph(_edit(film, lambda d: _set(d, {"BitsStored": bits, "HighBit": bits - 1})))
    np.testing.assert_array_equal(read.pixels, knee)
    assert any(f"BitsStored is {bits}" in note for note in read.notes)


@pytest.mark.parametrize("signed", [False, True])
def test_pixels_at_the_upper_end_of_their_cells_are_moved_down(film: Path, knee: np.ndarray, signed: bool) -> None:
    def change(dataset: Dataset) -> None:
        values = (knee.astype(np.int32) - (2048 if signed else 0)) << 4
        dataset.PixelData = values.astype("<i2" if signed else "<u2").tobytes()
        _set(dataset, {"BitsStored": 12, "HighBit": 15, "PixelRepresentation": int(signed)})

    read = read_radiograph(_edit(film, change))
    np.testing.assert_array_equal(read.pixels, knee - (2048.0 if signed else 0.0))
    assert any("moved down" in note for note in read.notes)


def test_a_high_bit_that_is_wrong_moves_nothing(film: Path, knee: np.ndarray) -> None:
    read = read_radiograph(_edit(film, lambda d: _set(d, {"BitsStored": 12, "HighBit": 15})))
    np.testing.assert_array_equal(read.pixels, knee)


def test_overlay_bits_inside_jpeg_2000_are_taken_away(tmp_path: Path, knee: np.ndarray) -> None:
    drawn = knee | (np.indices(knee.shape).sum(axis=0) % 30 == 0).astype(np.uint16) << 13
    write_dicom(tmp_path / "x.dcm", drawn, (0.2, 0.2), transfer_syntax=uid.JPEG2000Lossless, bits_stored=16)
    read = read_radiograph(_edit(tmp_path / "x.dcm", lambda d: _set(d, {"BitsStored": 12, "HighBit": 11})))
    np.testing.assert_array_equal(read.pixels, knee)


def test_the_code_stream_knows_its_sign(tmp_path: Path, knee: np.ndarray) -> None:
    write_dicom(tmp_path / "x.dcm", knee, (0.2, 0.2), transfer_syntax=uid.JPEG2000Lossless)
    read = read_radiograph(_edit(tmp_path / "x.dcm", lambda d: setattr(d, "PixelRepresentation", 1)))
    np.testing.assert_array_equal(read.pixels, knee)
    assert any("code stream" in note for note in read.notes)


def test_a_sign_that_tears_the_image_apart_is_not_believed(film: Path, knee: np.ndarray) -> None:
    read = read_radiograph(_edit(film, lambda d: setattr(d, "PixelRepresentation", 1)))
    np.testing.assert_array_equal(read.pixels, knee)
    assert any("PixelRepresentation" in note for note in read.notes)


def test_grey_written_as_colour_is_read(film: Path, knee: np.ndarray) -> None:
    grey = (knee >> 4).astype(np.uint8)

    def change(dataset: Dataset) -> None:
        dataset.PixelData = np.stack([grey] * 3, axis=-1).tobytes()
        _set(dataset, {"PhotometricInterpretation": "RGB", "SamplesPerPixel": 3, "PlanarConfiguration": 0})
        _set(dataset, {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7})

    np.testing.assert_array_equal(read_radiograph(_edit(film, change)).pixels, grey)


def test_an_error_never_quotes_what_a_header_holds(film: Path) -> None:
    content = bytearray(_edit(film, lambda d: setattr(d, "PatientName", "DOE^JANE")).read_bytes())
    place = content.index(b"\x08\x00\x60\x00CS") + 4
    content[place : place + 2] = b"??"
    film.write_bytes(content)
    with pytest.raises(KneeBundleError) as raised:
        read_radiograph(film)
    assert "DOE" not in str(raised.value)
    assert len(raised.value.reason) < 300
