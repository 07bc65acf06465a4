from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from kneebundle.errors import KneeBundleError
from kneebundle.io.reading import read_radiograph


def _coloured(grey: np.ndarray) -> np.ndarray:
    eight = (grey >> 4).astype(np.uint8)
    return np.stack([eight] * 3, axis=-1)


@pytest.mark.parametrize("mode", ["I;16", "L", "LA", "RGB", "RGBA", "P"])
def test_a_grey_png_gives_its_values_in_every_mode(tmp_path: Path, knee: np.ndarray, mode: str) -> None:
    values = knee if mode == "I;16" else knee >> 4
    picture = Image.fromarray(values if mode == "I;16" else values.astype(np.uint8))
    (picture if mode == "I;16" else picture.convert(mode)).save(tmp_path / "knee.png")

    read = read_radiograph(tmp_path / "knee.png", spacing_mm=0.25)

    np.testing.assert_array_equal(read.pixels, values.astype(np.float32))
    assert read.spacing_mm == (0.25, 0.25)
    assert read.spacing_source == "argument"


@pytest.mark.parametrize("channels", [1, 3])
def test_a_grey_jpeg_is_read_to_what_compression_leaves(tmp_path: Path, knee: np.ndarray, channels: int) -> None:
    smooth = np.add.outer(np.arange(96), np.arange(80)).astype(np.uint8)
    values = smooth if channels == 1 else np.stack([smooth] * 3, axis=-1)
    Image.fromarray(values).save(tmp_path / "knee.jpg", quality=95)
    read = read_radiograph(tmp_path / "knee.jpg", spacing_mm=(0.2, 0.3))
    assert np.abs(read.pixels - smooth).max() <= 3
    assert read.spacing_mm == (0.2, 0.3)


def test_the_content_goes_before_the_name(tmp_path: Path, knee: np.ndarray) -> None:
    Image.fromarray(knee).save(tmp_path / "knee", format="PNG")
    np.testing.assert_array_equal(read_radiograph(tmp_path / "knee", spacing_mm=0.2).pixels, knee)


def test_a_coloured_picture_is_an_error(tmp_path: Path, knee: np.ndarray) -> None:
    values = _coloured(knee)
    values[40:50, 40:50] = (200, 30, 30)
    Image.fromarray(values).save(tmp_path / "knee.png")
    with pytest.raises(KneeBundleError, match=r"knee\.png: the image is coloured; .* export it without colour"):
        read_radiograph(tmp_path / "knee.png", spacing_mm=0.2)


def test_a_resolution_for_printing_is_no_pixel_spacing(tmp_path: Path, knee: np.ndarray) -> None:
    Image.fromarray(knee).save(tmp_path / "knee.png", dpi=(127, 127), pnginfo=PngInfo())
    with pytest.raises(KneeBundleError, match=r"knee\.png: .*no pixel spacing.*; the size of a pixel in mm is needed"):
        read_radiograph(tmp_path / "knee.png")


def test_a_truncated_picture_is_an_error(tmp_path: Path, knee: np.ndarray) -> None:
    Image.fromarray(knee).save(tmp_path / "whole.png")
    content = (tmp_path / "whole.png").read_bytes()
    (tmp_path / "half.png").write_bytes(content[: len(content) // 2])
    with pytest.raises(KneeBundleError, match=r"half\.png: the picture cannot be decoded .* export it again"):
        read_radiograph(tmp_path / "half.png", spacing_mm=0.2)
