from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset, dcmread

from kneebundle.io.dicom_writing import write_dicom
from kneebundle.io.reading import read_radiograph
from kneebundle.radiograph import Radiograph


def _read(folder: Path, pixels: np.ndarray, attributes: dict[str, Any] | None = None, **options: Any) -> Radiograph:
    write_dicom(folder / "knee.dcm", pixels, (0.2, 0.2), attributes=attributes, **options)
    return read_radiograph(folder / "knee.dcm")


def _lut(table: np.ndarray, bits: int, first: int = 0) -> Dataset:
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [len(table) % 65536, first, bits])
    item.add_new("LUTData", "US", [int(value) for value in table])
    return item


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_every_depth_sign_and_polarity_gives_the_same_greys(
    tmp_path: Path, knee: np.ndarray, bits: int, signed: bool, photometric: Any
) -> None:
    pixels = knee >> (12 - bits) if bits < 12 else knee << (bits - 12)
    read = _read(tmp_path, pixels, bits_stored=bits, signed=signed, photometric=photometric)
    np.testing.assert_array_equal(read.pixels, pixels.astype(np.float32))


@pytest.mark.parametrize("rescale", [(2.0, -1000.0), (-1.0, 4095.0), (0.5, 0.0)])
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_rescale_is_undone(tmp_path: Path, knee: np.ndarray, rescale: tuple[float, float], photometric: Any) -> None:
    even = knee // 2 * 2
    read = _read(tmp_path, even, rescale=rescale, photometric=photometric, bits_stored=14 if rescale[0] > 0 else 12)
    assert np.ptp(read.pixels - even) == 0


def test_signed_values_without_rescale_differ_by_an_offset_only(tmp_path: Path, knee: np.ndarray) -> None:
    removed = {"RescaleSlope": None, "RescaleIntercept": None}
    np.testing.assert_array_equal(_read(tmp_path, knee, removed, signed=True).pixels, knee.astype(np.float32) - 2048)


def test_a_modality_lut_is_applied(tmp_path: Path, knee: np.ndarray) -> None:
    table = (np.arange(4096) ** 2 / 4095).astype(int)
    read = _read(
        tmp_path, knee, {"ModalityLUTSequence": [_lut(table, 12)], "RescaleSlope": None, "RescaleIntercept": None}
    )
    np.testing.assert_array_equal(read.pixels, table[knee])


@pytest.mark.parametrize("window", [(2048, 4096), (300, 50), (40, 400)])
@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT"])
def test_a_linear_window_changes_nothing(
    tmp_path: Path, knee: np.ndarray, window: tuple[float, float], function: str
) -> None:
    attributes = {"WindowCenter": window[0], "WindowWidth": window[1], "VOILUTFunction": function}
    np.testing.assert_array_equal(_read(tmp_path, knee, attributes).pixels, knee)


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_a_straight_voi_lut_changes_nothing(tmp_path: Path, knee: np.ndarray, bits: int) -> None:
    table = np.arange(4096) * (2**bits - 1) // 4095
    np.testing.assert_array_equal(_read(tmp_path, knee, {"VOILUTSequence": [_lut(table, bits)]}).pixels, knee)


def test_a_falling_straight_voi_lut_inverts(tmp_path: Path, knee: np.ndarray) -> None:
    read = _read(tmp_path, 4095 - knee, {"VOILUTSequence": [_lut(np.arange(4096)[::-1], 12)]})
    np.testing.assert_array_equal(read.pixels, knee)


@pytest.mark.parametrize("bits", [8, 14])
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_a_curved_voi_lut_is_applied(tmp_path: Path, knee: np.ndarray, bits: int, photometric: Any) -> None:
    table = np.rint(np.sqrt(np.arange(4096) / 4095) * (2**bits - 1)).astype(int)
    read = _read(tmp_path, knee, {"VOILUTSequence": [_lut(table, bits)]}, photometric=photometric)
    shown = table[knee] if photometric == "MONOCHROME2" else 2**bits - 1 - table[4095 - knee.astype(int)]
    np.testing.assert_array_equal(read.pixels, shown)
    assert "the VOI LUT was applied" in read.notes


def test_entries_before_and_after_the_lut_take_its_ends(tmp_path: Path, knee: np.ndarray) -> None:
    table = np.rint(np.sqrt(np.linspace(0, 1, 3000)) * 4095).astype(int)
    read = _read(tmp_path, knee, {"VOILUTSequence": [_lut(table, 12, first=700)]})
    np.testing.assert_array_equal(read.pixels, table[np.clip(knee.astype(int) - 700, 0, 2999)])


def test_a_voi_lut_that_wipes_out_the_image_is_left_out(tmp_path: Path, knee: np.ndarray) -> None:
    table = np.where(np.arange(4096) > 3800, 4095, 0)
    read = _read(tmp_path, knee, {"VOILUTSequence": [_lut(table, 12)]})
    np.testing.assert_array_equal(read.pixels, knee)
    assert any("the VOI LUT was not applied" in note for note in read.notes)


def test_a_sigmoid_window_is_applied(tmp_path: Path, knee: np.ndarray) -> None:
    read = _read(tmp_path, knee, {"WindowCenter": 1800, "WindowWidth": 2500, "VOILUTFunction": "SIGMOID"})
    np.testing.assert_allclose(read.pixels, 4095 / (1 + np.exp(-4 * (knee.astype(float) - 1800) / 2500)), rtol=1e-5)


def test_photometric_interpretation_goes_before_presentation_lut_shape(tmp_path: Path, knee: np.ndarray) -> None:
    read = _read(tmp_path, knee, {"PresentationLUTShape": "INVERSE"})
    np.testing.assert_array_equal(read.pixels, knee)
    assert any("PresentationLUTShape INVERSE contradicts MONOCHROME2" in note for note in read.notes)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("padding", [0, 4095])
def test_padding_at_the_edge_is_as_dark_as_the_darkest(
    tmp_path: Path, knee: np.ndarray, photometric: Any, padding: int
) -> None:
    framed = np.pad(knee, 6, constant_values=padding if photometric == "MONOCHROME2" else 4095 - padding)
    framed[40, 40] = framed[0, 0]
    read = _read(tmp_path, framed, {"PixelPaddingValue": padding}, photometric=photometric)
    assert read.pixels[40, 40] == framed[0, 0]
    expected = np.pad(knee, 6, constant_values=min(int(knee.min()), int(framed[40, 40])))
    expected[40, 40] = framed[40, 40]
    np.testing.assert_array_equal(read.pixels, expected)


def test_padding_of_signed_pixels_and_a_range_of_it(tmp_path: Path, knee: np.ndarray) -> None:
    framed = np.pad(knee, 6, constant_values=0)
    framed[:3] = 5
    attributes = {"PixelPaddingValue": -2048, "PixelPaddingRangeLimit": -2040}
    read = _read(tmp_path, framed, attributes, signed=True)
    np.testing.assert_array_equal(read.pixels, np.pad(knee, 6, constant_values=knee.min()))


def test_an_overlay_in_the_unused_bits_is_not_part_of_the_image(tmp_path: Path, knee: np.ndarray) -> None:
    write_dicom(tmp_path / "knee.dcm", knee, (0.2, 0.2))
    content = (tmp_path / "knee.dcm").read_bytes()
    drawn = knee | (np.indices(knee.shape).sum(0) % 2 << 12).astype(np.uint16)
    (tmp_path / "knee.dcm").write_bytes(content.replace(knee.tobytes(), drawn.tobytes()))
    np.testing.assert_array_equal(read_radiograph(tmp_path / "knee.dcm").pixels, knee)


def test_an_overlay_plane_is_not_drawn(tmp_path: Path, knee: np.ndarray) -> None:
    write_dicom(tmp_path / "knee.dcm", knee, (0.2, 0.2))

    dataset = dcmread(tmp_path / "knee.dcm")
    for element, vr, value in (
        (0x10, "US", 96),
        (0x11, "US", 80),
        (0x40, "CS", "G"),
        (0x50, "SS", [1, 1]),
        (0x100, "US", 1),
    ):
        dataset.add_new((0x6000, element), vr, value)
    dataset.add_new((0x6000, 0x3000), "OW", b"\xff" * (96 * 80 // 8))
    dataset.save_as(tmp_path / "knee.dcm")
    np.testing.assert_array_equal(read_radiograph(tmp_path / "knee.dcm").pixels, knee)
