"""Pixels lie where ITK, and with it 3D Slicer, puts them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from PIL import Image
from pydicom.uid import RLELossless

from kneebundle.io import decode_worker, decoding
from kneebundle.io.dicom_writing import write_dicom
from kneebundle.io.placement import make_placement, read_placement

PIXELS = np.random.default_rng(0).integers(0, 255, (60, 40)).astype(np.uint8)
POINTS = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0], [3.5, 7.25]])


def test_a_picture_lies_at_one_mm_a_pixel(tmp_path: Path) -> None:
    Image.fromarray(PIXELS).save(tmp_path / "film.png", dpi=(300, 300))
    lps = read_placement(tmp_path / "film.png", (0.2, 0.3)).to_lps(POINTS)
    np.testing.assert_allclose(lps, np.array([[0, 0, 0], [10, 0, 0], [0, 10, 0], [3.5, 7.25, 0]]))


@pytest.mark.parametrize(
    ("attributes", "row_mm", "column_mm"),
    [
        ({}, 0.2, 0.3),
        ({"PixelSpacing": ["0.15", "0.25"], "PixelSpacingCalibrationType": "GEOMETRY"}, 0.2, 0.3),
        ({"ImagerPixelSpacing": None}, 1.0, 1.0),
    ],
    ids=["both spacings", "calibrated in the knee", "no detector spacing"],
)
def test_dicom_lies_at_its_detector_spacing(
    tmp_path: Path, attributes: dict[str, Any], row_mm: float, column_mm: float
) -> None:
    write_dicom(tmp_path / "film.dcm", PIXELS, (0.2, 0.3), attributes=attributes)
    lps = read_placement(tmp_path / "film.dcm").to_lps(POINTS)
    np.testing.assert_allclose(lps[1:3], [[10 * column_mm, 0, 0], [0, 10 * row_mm, 0]])


def test_nifti_lies_where_its_affine_says(tmp_path: Path) -> None:
    affine = np.diag([0.3, 0.2, 1.0, 1.0])
    affine[:3, 3] = [5.0, 7.0, 0.0]
    nibabel.save(nibabel.Nifti1Image(PIXELS.T[:, :, None], affine), tmp_path / "film.nii.gz")
    lps = read_placement(tmp_path / "film.nii.gz").to_lps(POINTS[:3])
    np.testing.assert_allclose(lps, [[-5, -7, 0], [-8, -7, 0], [-5, -9, 0]], atol=1e-5)


def test_the_way_back_is_exact(tmp_path: Path) -> None:
    affine = np.array([[0.0, 0.2, 0, 3.0], [0.3, 0.0, 0, -4.0], [0, 0, 1.0, 9.0], [0, 0, 0, 1]])
    nibabel.save(nibabel.Nifti1Image(PIXELS.T[:, :, None], affine), tmp_path / "film.nii")
    placement = read_placement(tmp_path / "film.nii")
    np.testing.assert_allclose(placement.to_px(placement.to_lps(POINTS)), POINTS, atol=1e-5)


def test_a_file_that_itk_cannot_read_lies_at_the_spacing_given(tmp_path: Path) -> None:
    (tmp_path / "film.xyz").write_bytes(b"no image")
    placement = read_placement(tmp_path / "film.xyz", (0.2, 0.3))
    np.testing.assert_allclose(placement.to_lps(POINTS), make_placement((0.2, 0.3)).to_lps(POINTS))
    np.testing.assert_allclose(placement.to_lps(POINTS)[3], [3.5 * 0.3, 7.25 * 0.2, 0])


def test_a_length_that_the_file_does_not_have_takes_no_memory(tmp_path: Path) -> None:
    """GDCM sets aside what a header states."""
    path = tmp_path / "a.dcm"
    write_dicom(path, np.full((40, 40), 100, dtype=np.uint16), (0.3, 0.3))
    content = path.read_bytes()
    place = content.index(b"\x10\x00\x10\x00PN")
    stated = b"\x09\x00\x10\x10OB\x00\x00" + (0xC0000000).to_bytes(4, "little")
    path.write_bytes(content[:place] + stated + content[place:])
    placed = read_placement(path, (0.5, 0.25))
    assert (placed.rows[1], placed.columns[0]) == (0.5, 0.25), "it cannot be read"
    workers = [Path("/proc", str(worker.process.pid), "status").read_text() for worker in decoding._idle]
    peaks = [int(line.split()[1]) for text in workers for line in text.splitlines() if line.startswith("VmHWM")]
    assert max(peaks) < 2 * 2**20  # kB


def test_the_worker_reads_what_itk_says_and_fails_over_what_it_cannot_read(tmp_path: Path) -> None:
    """In this process, as in the worker."""
    write_dicom(tmp_path / "film.dcm", PIXELS, (0.2, 0.3))
    axes, more = decode_worker._decode("placement", tmp_path / "film.dcm", 0)
    np.testing.assert_allclose(axes, [[0.0, 0.0, 0.0], [0.3, 0.0, 0.0], [0.0, 0.2, 0.0]])
    assert more == {}
    with pytest.raises((AttributeError, RuntimeError)):
        decode_worker._decode("placement", tmp_path / "none.dcm", 0)
    write_dicom(tmp_path / "packed.dcm", PIXELS, (0.2, 0.3), transfer_syntax=RLELossless)
    stored, _ = decode_worker._decode("dicom", tmp_path / "packed.dcm", 0)
    np.testing.assert_array_equal(stored, PIXELS)
    header = "ObjectType = Image\nNDims = 2\nElementSpacing = 0.3 0.2\nDimSize = 40 60\nElementType = MET_UCHAR\n"
    (tmp_path / "film.mha").write_bytes(f"{header}ElementDataFile = LOCAL\n".encode() + PIXELS.tobytes())
    values, more = decode_worker._decode("metaimage", tmp_path / "film.mha", 0)
    np.testing.assert_array_equal(values, PIXELS)
    assert (more["components"], more["spacing"], more["directions"]) == (1, [0.3, 0.2], [[1, 0, 0], [0, 1, 0]])
    signed = (PIXELS.astype(np.int16) - 128).astype(np.int8)
    text = header.replace("UCHAR", "CHAR")
    (tmp_path / "film.mha").write_bytes(f"{text}ElementDataFile = LOCAL\n".encode() + signed.tobytes())
    np.testing.assert_array_equal(decode_worker._decode("metaimage", tmp_path / "film.mha", 0)[0], signed)
    text = header.replace("Element", "ElementNumberOfChannels = 3\nElement", 1).replace("UCHAR", "USHORT")
    colour = np.stack([PIXELS, PIXELS // 2, PIXELS // 4], axis=-1).astype(np.uint16)
    (tmp_path / "film.mha").write_bytes(f"{text}ElementDataFile = LOCAL\n".encode() + colour.tobytes())
    values, more = decode_worker._decode("metaimage", tmp_path / "film.mha", 0)
    np.testing.assert_array_equal(values, colour)
    assert more["components"] == 3 and values.dtype == np.uint16
