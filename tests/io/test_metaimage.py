from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from kneebundle.errors import KneeBundleError
from kneebundle.io.reading import read_radiograph

_TYPES = {"b": "CHAR", "B": "UCHAR", "H": "USHORT", "f": "FLOAT"}


def _save(path: Path, volume: np.ndarray, spacing: str | None, data: str = "LOCAL", channels: int = 1) -> None:
    """A MetaImage, written by hand; ``volume`` has its axes as stored, x last, but for the channels."""
    shape = volume.shape if channels == 1 else volume.shape[:-1]
    header = [
        "ObjectType = Image",
        f"NDims = {len(shape)}",
        "BinaryData = True",
        "BinaryDataByteOrderMSB = False",
        *([f"ElementSpacing = {spacing}"] if spacing else []),
        f"DimSize = {' '.join(map(str, shape[::-1]))}",
        f"ElementNumberOfChannels = {channels}",
        f"ElementType = MET_{_TYPES[volume.dtype.char]}",
        f"ElementDataFile = {data}",
    ]
    content = "\n".join(header).encode() + b"\n"
    pixels = volume.tobytes()
    if data == "LOCAL":
        path.write_bytes(content + pixels)
    else:
        path.write_bytes(content)
        (path.parent / data).write_bytes(pixels)


def test_an_image_and_a_volume_of_one_slice_are_read(tmp_path: Path, knee: np.ndarray) -> None:
    _save(tmp_path / "flat.mha", knee, "0.2 0.3")
    _save(tmp_path / "slice.mhd", knee[None], "0.2 0.3 1", data="slice.raw")
    (tmp_path / "flat.mha").rename(tmp_path / "without_suffix")
    for name in ("without_suffix", "slice.mhd"):
        read = read_radiograph(tmp_path / name)
        np.testing.assert_array_equal(read.pixels, knee)
        assert read.spacing_mm == pytest.approx((0.3, 0.2))
        assert read.spacing_source == "header"


@pytest.mark.parametrize("channels", [2, 3, 4])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
def test_grey_in_several_channels_is_read(tmp_path: Path, knee: np.ndarray, kind: type, channels: int) -> None:
    grey: np.ndarray = (knee // 64).astype(kind)
    for name, volume in {"flat": grey, "slice": grey[None]}.items():
        _save(tmp_path / f"{name}.mha", np.stack([volume] * channels, axis=-1), "0.2 0.3 1", channels=channels)
        np.testing.assert_array_equal(read_radiograph(tmp_path / f"{name}.mha").pixels, grey)


def test_colours_are_an_error_and_signed_bytes_are_read(tmp_path: Path, knee: np.ndarray) -> None:
    grey = (knee // 64).astype(np.uint8)
    _save(tmp_path / "red.mha", np.stack([grey, grey // 2, grey // 4], axis=-1), "0.2 0.3", channels=3)
    with pytest.raises(KneeBundleError, match="the image is coloured"):
        read_radiograph(tmp_path / "red.mha")
    _save(tmp_path / "signed.mha", grey.astype(np.int8), "0.2 0.3")
    np.testing.assert_array_equal(read_radiograph(tmp_path / "signed.mha").pixels, grey.astype(np.int8))


def test_several_slices_are_errors_unless_one_is_chosen(tmp_path: Path, knee: np.ndarray) -> None:
    _save(tmp_path / "knee.mha", np.stack([knee, knee + 1]), "0.2 0.2 1")
    with pytest.raises(KneeBundleError, match=r"knee\.mha: the file has 2 frames"):
        read_radiograph(tmp_path / "knee.mha")
    np.testing.assert_array_equal(read_radiograph(tmp_path / "knee.mha", frame=1).pixels, knee + 1)


def test_a_header_without_spacing_needs_the_argument(tmp_path: Path, knee: np.ndarray) -> None:
    _save(tmp_path / "knee.mha", knee, None)
    with pytest.raises(KneeBundleError, match=r"knee\.mha: the MetaImage header gives .* 1 mm.*; the size of a pixel"):
        read_radiograph(tmp_path / "knee.mha")
    assert read_radiograph(tmp_path / "knee.mha", spacing_mm=0.3).spacing_source == "argument"


def test_a_truncated_file_is_an_error_in_one_line(tmp_path: Path, knee: np.ndarray) -> None:
    _save(tmp_path / "knee.mha", knee, "0.2 0.2")
    content = (tmp_path / "knee.mha").read_bytes()
    (tmp_path / "knee.mha").write_bytes(content[: len(content) // 2])
    with pytest.raises(
        KneeBundleError, match=r"knee\.mha: the MetaImage cannot be decoded .* export it again"
    ) as raised:
        read_radiograph(tmp_path / "knee.mha")
    assert len(str(raised.value)) < 400


def test_the_landmarks_of_the_published_hands_lie_inside_the_image(shared_data: Path) -> None:
    folder = shared_data / "hand_xray"
    read = read_radiograph(folder / "images" / "3167.mha")
    with (folder / "landmarks_px.csv").open() as file:
        row = next(row for row in csv.reader(file) if row[0] == "3167")
    points = np.array(row[1:], dtype=float).reshape(-1, 2)
    assert (read.rows, read.columns) == (2350, 1600)
    assert read.spacing_mm == pytest.approx((0.108075, 0.108075))
    bone = read.pixels[points[:, 1].astype(int), points[:, 0].astype(int)]
    assert np.median(bone) > np.median(read.pixels)
