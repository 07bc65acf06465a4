"""What a decoder crashes on, hangs on or grows on is an error of that file, and the next file is read."""

from __future__ import annotations

import gzip
import signal
import struct
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread, uid
from pydicom.encaps import encapsulate

from kneebundle.errors import KneeBundleError
from kneebundle.io import decoding
from kneebundle.io.compressed_frames import check_frame
from kneebundle.io.dicom_writing import write_dicom
from kneebundle.io.reading import read_radiograph


def _write(path: Path, knee: np.ndarray, syntax: str = uid.RLELossless) -> Path:
    write_dicom(path, knee, (0.2, 0.2), transfer_syntax=syntax)
    return path


def test_a_decoder_that_dies_costs_that_file_alone(
    tmp_path: Path, knee: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = _write(tmp_path / "good.dcm", knee)
    np.testing.assert_array_equal(read_radiograph(good).pixels, knee)
    worker = decoding._idle[-1]
    worker.process.kill()
    worker.process.wait()
    np.testing.assert_array_equal(read_radiograph(good).pixels, knee)  # a dead one is replaced

    def die(worker: decoding._Worker, request: dict) -> dict:
        worker.process.kill()
        return exchange(worker, request)

    exchange = decoding._Worker._exchange
    monkeypatch.setattr(decoding._Worker, "_exchange", die)
    with pytest.raises(KneeBundleError, match=r"good\.dcm: the decoder crashed on this file; export it again"):
        read_radiograph(good)
    monkeypatch.undo()
    np.testing.assert_array_equal(read_radiograph(good).pixels, knee)


def test_a_decoder_that_hangs_is_ended(tmp_path: Path, knee: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _write(tmp_path / "x.dcm", knee)
    read_radiograph(path)
    decoding._idle[-1].process.send_signal(signal.SIGSTOP)
    monkeypatch.setattr(decoding, "_SECONDS", 0.2)
    with pytest.raises(KneeBundleError, match="decoding took more than 0 s and was ended"):
        read_radiograph(path)


def test_rle_that_panics_is_an_error(tmp_path: Path, shared_data: Path) -> None:
    broken = shared_data.parent / "cases" / "attacks" / "data" / "rle_bitflip.dcm"
    if not broken.exists():
        pytest.skip("the damaged file is not there")
    with pytest.raises(KneeBundleError, match="cannot be decoded"):
        read_radiograph(broken)


def _jpeg(knee: np.ndarray) -> bytes:
    content = BytesIO()
    Image.fromarray((knee >> 4).astype(np.uint8)).save(content, format="JPEG")
    return content.getvalue()


def _write_jpeg(path: Path, knee: np.ndarray, frame: bytes) -> Path:
    write_dicom(
        path, knee >> 4, (0.2, 0.2), transfer_syntax=uid.JPEGBaseline8Bit, bits_stored=8, encode=lambda _: _jpeg(knee)
    )
    dataset = dcmread(path)
    dataset.PixelData = encapsulate([frame])
    dataset.save_as(path)
    return path


def test_half_of_a_frame_is_an_error(tmp_path: Path, knee: np.ndarray) -> None:
    frame = _jpeg(knee)
    with pytest.raises(KneeBundleError, match=r"the compressed image is cut off: its end is missing"):
        read_radiograph(_write_jpeg(tmp_path / "x.dcm", knee, frame[: len(frame) // 2]))
    with pytest.raises(KneeBundleError, match=r"cut off in its header"):
        read_radiograph(_write_jpeg(tmp_path / "y.dcm", knee, frame[:40]))


def test_a_frame_of_another_size_than_the_header_says_is_an_error(tmp_path: Path, knee: np.ndarray) -> None:
    path = _write_jpeg(tmp_path / "x.dcm", knee, _jpeg(np.tile(knee, (2, 1))))
    with pytest.raises(KneeBundleError, match=r"image is 192 x 80 pixels, though the header says 96 x 80"):
        read_radiograph(path)


def test_sizes_are_read_from_the_first_bytes() -> None:
    grey = np.zeros((50, 70), np.uint8)
    content = BytesIO()
    Image.fromarray(grey).save(content, format="JPEG2000")
    assert check_frame(content.getvalue(), Path()) == (50, 70, False)
    content = BytesIO()
    Image.fromarray(grey).save(content, format="JPEG", progressive=True)
    assert check_frame(content.getvalue(), Path()) == (50, 70, None)
    assert check_frame(b"\x01\x00\x00\x00" * 20, Path()) is None
    huge = struct.pack(">HHHIIIIIIIIHB", 0xFF4F, 0xFF51, 41, 0, 60000, 60000, 0, 0, 60000, 60000, 0, 1, 7)
    with pytest.raises(KneeBundleError, match="at most 100 million"):
        check_frame(huge[:6] + struct.pack(">HIIIIIIIIHBBB", 0, 60000, 60000, 0, 0, 1, 1, 0, 0, 1, 7, 1, 1), Path())


def test_sizes_that_no_radiograph_has_take_no_memory(tmp_path: Path, knee: np.ndarray) -> None:
    import nibabel

    path = _write(tmp_path / "x.dcm", knee, uid.ExplicitVRLittleEndian)
    dataset = dcmread(path)
    dataset.Rows = dataset.Columns = 65000
    dataset.save_as(path)
    with pytest.raises(KneeBundleError, match=r"65000 x 65000 pixels; at most 100 million"):
        read_radiograph(path)

    Image.new("1", (12000, 12000)).save(tmp_path / "x.png")
    with pytest.raises(KneeBundleError, match=r"12000 x 12000 pixels; at most 100 million"):
        read_radiograph(tmp_path / "x.png", spacing_mm=0.1)

    header = nibabel.Nifti1Header()
    header.set_data_shape((30000, 30000, 1))
    header.set_data_dtype(np.int16)
    header["vox_offset"], header["magic"] = 352, b"n+1"
    (tmp_path / "x.nii.gz").write_bytes(gzip.compress(header.binaryblock + bytes(5_000_000)))
    with pytest.raises(KneeBundleError, match=r"x\.nii\.gz: .*30000 x 30000|more than can be read"):
        read_radiograph(tmp_path / "x.nii.gz")


@pytest.mark.parametrize(
    "change",
    [
        ("ElementDataFile = LOCAL", "ElementDataFile = LIST"),
        ("ElementDataFile = LOCAL", "ElementDataFile = /etc/hostname"),
        ("ElementDataFile = LOCAL", "ElementDataFile = ../x.raw"),
        ("ElementDataFile = LOCAL", "ElementDataFile = %03d.raw 1 2 1"),
        ("DimSize = 80 96", "DimSize = 80000 96000"),
        ("DimSize = 80 96", "DimSize = -80 96"),
        ("DimSize = 80 96", "DimSize = 80"),
        ("NDims = 2", "NDims = 77"),
        ("MET_USHORT", "MET_NONE"),
        ("MET_USHORT", "MET_STRING"),
    ],
)
def test_itk_sees_no_header_that_leads_elsewhere(tmp_path: Path, knee: np.ndarray, change: tuple[str, str]) -> None:
    header = "NDims = 2\nBinaryData = True\nElementSpacing = 0.2 0.2\nDimSize = 80 96\nElementType = MET_USHORT\n"
    header += "ElementDataFile = LOCAL\n"
    path = tmp_path / "x.mha"
    path.write_bytes(header.encode() + knee.tobytes())
    np.testing.assert_array_equal(read_radiograph(path).pixels, knee)
    path.write_bytes(header.replace(*change).encode() + knee.tobytes())
    with pytest.raises(KneeBundleError, match=r"x\.mha: .*(export it|at most)"):
        read_radiograph(path)
