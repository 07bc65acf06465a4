from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread, uid
from pydicom.data import get_testdata_file
from pydicom.encaps import encapsulate

from kneebundle.errors import KneeBundleError
from kneebundle.io import dicom_decoders
from kneebundle.io.dicom_decoders import check_decoder, decode_stored_pixels, list_encodings
from kneebundle.io.dicom_writing import write_dicom
from kneebundle.io.reading import read_radiograph

FREE = {"imagecodecs", "pillow", "pyjpegls", "pydicom"}
SYNTAXES = [uid.JPEGExtended12Bit, uid.JPEGLossless, uid.JPEGLosslessSV1]


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes pydicom's decoders forget the plugins that are named."""

    def forget(*names: str) -> None:
        real = dicom_decoders._find_decoder

        def find(syntax: str) -> Any:
            return SimpleNamespace(available_plugins=[n for n in real(syntax).available_plugins if n not in names])

        monkeypatch.setattr(dicom_decoders, "_find_decoder", find)

    return forget


def test_the_decoder_that_is_used_is_not_under_the_gpl() -> None:
    first = {encoding.name: encoding.decoders[0] for encoding in list_encodings()}
    # pylibjpeg is itself free; what it decodes JPEG 2000 and RLE with, too
    jpeg = {name: decoder for name, decoder in first.items() if name.startswith("JPEG") and "2000" not in name}
    assert set(jpeg.values()) <= FREE
    assert len(jpeg) == 6


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_a_missing_decoder_is_named_before_anything_is_decoded(
    tmp_path: Path, knee: np.ndarray, syntax: str, without: Callable[..., None]
) -> None:
    without("imagecodecs", "pylibjpeg", "pillow", "gdcm")
    write_dicom(tmp_path / "x.dcm", knee, (0.2, 0.2), transfer_syntax=syntax, encode=lambda frame: b"\xff\xd8\xff\xd9")
    with pytest.raises(KneeBundleError, match=r"x\.dcm: .* compressed as JPEG .*: pip install imagecodecs, or"):
        read_radiograph(tmp_path / "x.dcm")


def test_an_encoding_that_nothing_decodes_is_named() -> None:
    with pytest.raises(KneeBundleError, match=r"a\.dcm: .*not read here \(MPEG2 Main Profile.*uncompressed"):
        check_decoder(uid.MPEG2MPML, Path("a.dcm"))


@pytest.mark.parametrize("bits", [8, 12, 16])
@pytest.mark.parametrize("predictor", range(1, 8))
@pytest.mark.parametrize("signed", [False, True])
def test_every_predictor_of_lossless_jpeg_gives_the_greys_that_were_written(
    tmp_path: Path, knee: np.ndarray, bits: int, predictor: int, signed: bool
) -> None:
    imagecodecs = pytest.importorskip("imagecodecs")

    def encode(frame: np.ndarray) -> bytes:
        cell = frame.view(frame.dtype.str.replace("i", "u"))
        cell = np.ascontiguousarray(cell & cell.dtype.type((1 << bits) - 1))
        return imagecodecs.jpeg8_encode(cell, lossless=True, bitspersample=bits, predictor=predictor)

    pixels = knee >> (12 - bits) if bits < 12 else knee << (bits - 12)
    syntax = uid.JPEGLosslessSV1 if predictor == 1 else uid.JPEGLossless
    write_dicom(
        tmp_path / "x", pixels, (0.2, 0.2), transfer_syntax=syntax, bits_stored=bits, signed=signed, encode=encode
    )
    np.testing.assert_array_equal(read_radiograph(tmp_path / "x").pixels, pixels)


def test_extended_jpeg_of_12_bits_from_another_maker_is_read() -> None:
    """One scan in two files, and the same from JPEG 2000; the header of the code stream of the first is odd."""
    odd, packed, whole = (
        dcmread(str(get_testdata_file(name, download=False)))
        for name in ("JPEG-lossy.dcm", "JPGExtended.dcm", "JPEG2000.dcm")
    )
    assert (packed.file_meta.TransferSyntaxUID, packed.BitsStored) == (uid.JPEGExtended12Bit, 12)
    pixels, other = decode_stored_pixels(packed, 0), decode_stored_pixels(whole, 0)
    np.testing.assert_array_equal(decode_stored_pixels(odd, 0), pixels)
    assert np.corrcoef(pixels.ravel(), other.ravel())[0, 1] > 0.9


def test_colours_of_lossless_jpeg_stay_as_stored() -> None:
    coloured = dcmread(str(get_testdata_file("SC_rgb_jpeg_gdcm.dcm", download=False)))
    pixels = decode_stored_pixels(coloured, 0)
    plain = dcmread(str(get_testdata_file("SC_rgb_rle.dcm", download=False)))
    np.testing.assert_array_equal(pixels, decode_stored_pixels(plain, 0))


def test_where_one_decoder_fails_the_next_is_tried_and_the_first_is_quoted(
    tmp_path: Path, knee: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_dicom(tmp_path / "x", knee, (0.2, 0.2), transfer_syntax=uid.JPEG2000Lossless)
    dataset = dcmread(tmp_path / "x")
    decoder = dicom_decoders._find_decoder(uid.JPEG2000Lossless)
    assert decoder.available_plugins[:1] != ("pylibjpeg",) or len(decoder.available_plugins) > 1

    def fail(source: bytes, runner: Any) -> bytes:
        raise ValueError("this one is not for me")

    monkeypatch.setitem(decoder._available, "pylibjpeg", fail)
    np.testing.assert_array_equal(decode_stored_pixels(dataset, 0), knee)

    dataset.PixelData = encapsulate([b"no codestream at all"])
    with pytest.raises(RuntimeError, match="not for me"):
        decode_stored_pixels(dataset, 0)
