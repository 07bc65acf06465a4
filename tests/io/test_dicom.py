from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread, uid
from pydicom.data import get_testdata_file
from pydicom.encaps import encapsulate

from kneebundle.errors import KneeBundleError
from kneebundle.io.dicom_writing import write_dicom
from kneebundle.io.reading import read_radiograph


def _jpeg(**options: Any) -> Callable[[np.ndarray], bytes]:
    """A JPEG encoder of the kinds that pydicom does not write."""
    imagecodecs = pytest.importorskip("imagecodecs", reason="imagecodecs writes the JPEG kinds that pydicom does not")
    return lambda frame: imagecodecs.jpeg8_encode(np.ascontiguousarray(frame), **options)


def _baseline_jpeg(frame: np.ndarray) -> bytes:
    content = BytesIO()
    Image.fromarray(frame).save(content, format="JPEG", quality=95)
    return content.getvalue()


LOSSLESS = {
    "implicit little endian": uid.ImplicitVRLittleEndian,
    "explicit little endian": uid.ExplicitVRLittleEndian,
    "explicit big endian": uid.ExplicitVRBigEndian,
    "deflated": uid.DeflatedExplicitVRLittleEndian,
    "RLE": uid.RLELossless,
    "JPEG-LS": uid.JPEGLSLossless,
    "JPEG 2000": uid.JPEG2000Lossless,
    "JPEG lossless": uid.JPEGLossless,
    "JPEG lossless, first-order": uid.JPEGLosslessSV1,
}


@pytest.mark.parametrize("name", LOSSLESS)
@pytest.mark.parametrize("bits", [8, 12, 16])
def test_a_lossless_encoding_gives_the_greys_that_were_written(
    tmp_path: Path, knee: np.ndarray, name: str, bits: int
) -> None:
    syntax = LOSSLESS[name]
    encode = None
    if "JPEG lossless" in name:
        encode = _jpeg(lossless=True, bitspersample=bits, predictor=1 if "first" in name else 4)
    pixels = knee >> 4 if bits == 8 else knee << (bits - 12)
    write_dicom(tmp_path / "x", pixels, (0.2, 0.3), transfer_syntax=syntax, bits_stored=bits, encode=encode)

    read = read_radiograph(tmp_path / "x")

    assert dcmread(tmp_path / "x").file_meta.TransferSyntaxUID == syntax
    np.testing.assert_array_equal(read.pixels, pixels)
    assert read.spacing_mm == (0.2, 0.3)


@pytest.mark.parametrize("name", ["explicit big endian", "RLE", "JPEG-LS", "JPEG 2000"])
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_signed_values_survive_every_encoding(tmp_path: Path, knee: np.ndarray, name: str, photometric: Any) -> None:
    write_dicom(tmp_path / "x", knee, (0.2, 0.2), transfer_syntax=LOSSLESS[name], signed=True, photometric=photometric)
    np.testing.assert_array_equal(read_radiograph(tmp_path / "x").pixels, knee)


@pytest.mark.parametrize(
    ("syntax", "bits", "options"),
    [(uid.JPEGBaseline8Bit, 8, None), (uid.JPEGExtended12Bit, 12, {"level": 95, "bitspersample": 12})],
)
def test_lossy_jpeg_is_read_to_what_compression_leaves(
    tmp_path: Path, knee: np.ndarray, syntax: str, bits: int, options: dict[str, Any] | None
) -> None:
    pixels = knee >> (12 - bits)
    encode = _baseline_jpeg if options is None else _jpeg(**options)
    write_dicom(tmp_path / "x", pixels, (0.2, 0.2), transfer_syntax=syntax, bits_stored=bits, encode=encode)
    error = np.abs(read_radiograph(tmp_path / "x").pixels - pixels)
    assert error.mean() < 0.01 * np.ptp(pixels)
    assert error.max() < 0.1 * np.ptp(pixels)


@pytest.mark.parametrize(
    ("syntax", "options"),
    [(uid.JPEG2000, {"j2k_psnr": [60]}), (uid.JPEGLSNearLossless, {"jls_error": 3})],
)
def test_lossy_wavelets_and_near_lossless_are_read(
    tmp_path: Path, knee: np.ndarray, syntax: str, options: dict[str, Any]
) -> None:
    write_dicom(tmp_path / "x", knee, (0.2, 0.2))
    dataset = dcmread(tmp_path / "x")
    dataset.compress(syntax, **options)
    dataset.save_as(tmp_path / "x")
    assert np.abs(read_radiograph(tmp_path / "x").pixels - knee).max() <= 20


@pytest.mark.parametrize("kind", ["implicit", "bigendian", "expb", "RLE", "jpeg_ls_lossless", "jp2klossless", "padded"])
def test_files_of_other_makers_agree(tmp_path: Path, kind: str) -> None:
    for name in ("MR_small.dcm", f"MR_small_{kind}.dcm"):
        dataset = dcmread(str(get_testdata_file(name, download=False)))
        dataset.Modality = "DX"
        dataset.save_as(tmp_path / name)
    first, second = (read_radiograph(tmp_path / name) for name in ("MR_small.dcm", f"MR_small_{kind}.dcm"))
    np.testing.assert_array_equal(first.pixels, second.pixels)
    assert first.spacing_mm == second.spacing_mm == (0.3125, 0.3125)


@pytest.mark.parametrize("name", ["implicit little endian", "explicit little endian", "explicit big endian"])
def test_a_file_without_preamble_and_header_is_read(tmp_path: Path, knee: np.ndarray, name: str) -> None:
    write_dicom(tmp_path / "whole", knee, (0.2, 0.2), transfer_syntax=LOSSLESS[name])
    content = (tmp_path / "whole").read_bytes()
    (tmp_path / "without_preamble").write_bytes(content[132:])
    start_of_data = 132 + 12 + dcmread(tmp_path / "whole").file_meta.FileMetaInformationGroupLength
    (tmp_path / "without_header").write_bytes(content[start_of_data:])
    for bare in ("without_preamble", "without_header"):
        read = read_radiograph(tmp_path / bare)
        np.testing.assert_array_equal(read.pixels, knee)
        assert read.sop_instance_uid == read_radiograph(tmp_path / "whole").sop_instance_uid


@pytest.mark.parametrize("name", ["explicit little endian", "RLE"])
def test_frames_are_errors_unless_one_is_chosen(tmp_path: Path, knee: np.ndarray, name: str) -> None:
    frames = np.stack([knee, knee + 1, knee + 2])
    write_dicom(tmp_path / "x.dcm", frames, (0.2, 0.2), transfer_syntax=LOSSLESS[name])
    with pytest.raises(
        KneeBundleError, match=r"x\.dcm: the file has 3 frames; a radiograph is one image.*one of 0 to 2"
    ):
        read_radiograph(tmp_path / "x.dcm")
    np.testing.assert_array_equal(read_radiograph(tmp_path / "x.dcm", frame=1).pixels, knee + 1)


def test_no_spacing_is_an_error_unless_one_is_given(tmp_path: Path, knee: np.ndarray) -> None:
    write_dicom(tmp_path / "x.dcm", knee, None)
    with pytest.raises(
        KneeBundleError, match=r"x\.dcm: .*neither PixelSpacing nor ImagerPixelSpacing; the size of a pixel"
    ):
        read_radiograph(tmp_path / "x.dcm")
    read = read_radiograph(tmp_path / "x.dcm", spacing_mm=0.2)
    assert (read.spacing_mm, read.spacing_source) == ((0.2, 0.2), "argument")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("SC_rgb_rle.dcm", r"SC_rgb_rle\.dcm: the image is coloured"),
        ("SC_rgb_jpeg_gdcm.dcm", r"the image is coloured"),
        ("examples_palette.dcm", r"the image is of modality US"),
        ("CT_small.dcm", r"the image is of modality CT; a plain radiograph \(CR, DX\) is needed"),
        ("reportsi.dcm", r"reportsi\.dcm: the DICOM file holds no image.* \(modality SR\); give the radiograph"),
        ("rtplan.dcm", r"the DICOM file holds no image.* \(modality RTPLAN\)"),
        ("DICOMDIR", r"the DICOM file holds no image"),
    ],
)
def test_what_is_no_radiograph_is_an_error(name: str, reason: str) -> None:
    with pytest.raises(KneeBundleError, match=reason):
        read_radiograph(str(get_testdata_file(name, download=False)), spacing_mm=0.2)


@pytest.mark.parametrize("name", LOSSLESS)
@pytest.mark.parametrize("kept", [0.1, 0.6, 0.97])
def test_a_truncated_file_is_an_error(tmp_path: Path, knee: np.ndarray, name: str, kept: float) -> None:
    encode = _jpeg(lossless=True, bitspersample=12) if "JPEG lossless" in name else None
    write_dicom(tmp_path / "x.dcm", knee, (0.2, 0.2), transfer_syntax=LOSSLESS[name], encode=encode)
    content = (tmp_path / "x.dcm").read_bytes()
    (tmp_path / "x.dcm").write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(KneeBundleError, match=r"x\.dcm: .*(export it again|give the radiograph itself)") as raised:
        read_radiograph(tmp_path / "x.dcm")
    assert "\n" not in str(raised.value)


def test_a_compressed_stream_that_is_broken_is_an_error(tmp_path: Path, knee: np.ndarray) -> None:
    write_dicom(tmp_path / "x.dcm", knee, (0.2, 0.2), transfer_syntax=uid.JPEG2000Lossless)
    dataset = dcmread(tmp_path / "x.dcm")
    dataset.PixelData = encapsulate([b"no codestream at all"])
    dataset.save_as(tmp_path / "x.dcm")
    with pytest.raises(
        KneeBundleError, match=r"x\.dcm: the DICOM file cannot be decoded .*; export it again, uncompressed"
    ):
        read_radiograph(tmp_path / "x.dcm")
