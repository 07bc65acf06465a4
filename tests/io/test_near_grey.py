"""Pictures that are grey but for a cast or a few pixels are read; coloured ones are not."""

from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image

from kneebundle.errors import KneeBundleError
from kneebundle.io.near_grey import convert_near_grey
from kneebundle.io.reading import read_radiograph

PATH = Path("scan.jpg")


@pytest.fixture
def grey() -> np.ndarray:
    values = np.random.default_rng(0).integers(20, 230, (100, 100), dtype=np.uint8)
    return np.repeat(values[..., None], 3, axis=-1)


def test_equal_channels_are_grey_without_a_note(grey: np.ndarray) -> None:
    values, notes = convert_near_grey(grey, PATH)
    assert notes == () and np.array_equal(values, grey[..., 1])


def test_one_pixel_in_a_hundred_may_be_tinted_however_much(grey: np.ndarray) -> None:
    grey[0, :100] = (255, 0, 0)
    values, notes = convert_near_grey(grey, PATH)
    assert values[0, 0] == pytest.approx(0.299 * 255)
    assert "1 % of its pixels are tinted" in notes[0]


def test_two_in_a_hundred_are_colour(grey: np.ndarray) -> None:
    grey[:2] = (255, 0, 0)
    with pytest.raises(KneeBundleError, match=r"scan\.jpg: the image is coloured"):
        convert_near_grey(grey, PATH)


def test_an_even_cast_is_grey(grey: np.ndarray) -> None:
    tinted = np.clip(grey.astype(int) + (10, 2, -6), 0, 255).astype(np.uint8)
    values, notes = convert_near_grey(tinted, PATH)
    assert notes and values[5, 5] == pytest.approx(tinted[5, 5] @ [0.299, 0.587, 0.114])


def test_an_uneven_tint_of_the_same_strength_is_colour(grey: np.ndarray) -> None:
    tinted = grey.astype(int)
    tinted[:, :50] += (12, 0, -12)
    tinted[:, 50:] += (-12, 0, 12)
    with pytest.raises(KneeBundleError, match="coloured"):
        convert_near_grey(np.clip(tinted, 0, 255).astype(np.uint8), PATH)


def test_sixteen_bits_are_measured_in_the_same_levels(grey: np.ndarray) -> None:
    wide = grey.astype(np.uint16) * 257
    wide[..., 0] += 3 * 257
    assert convert_near_grey(np.minimum(wide, 65535), PATH)[1] == ()


def test_the_note_reaches_the_radiograph(grey: np.ndarray, tmp_path: Path) -> None:
    grey[0, :30] = (255, 0, 0)
    Image.fromarray(grey).save(tmp_path / "scan.png")
    radiograph = read_radiograph(tmp_path / "scan.png", spacing_mm=0.2)
    assert any("luminance" in note for note in radiograph.notes)


def write_nifti(pixels: np.ndarray, path: Path) -> None:
    values = np.ascontiguousarray(pixels).view(np.dtype([(name, "u1") for name in "RGB"]))[..., 0].T
    image = nibabel.Nifti1Image(values, np.diag([0.2, 0.2, 1, 1]))
    image.header.set_xyzt_units("mm")
    image.to_filename(path)


def test_a_nifti_with_channels_is_read_alike(grey: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "scan.nii"
    grey[0, :50] = (255, 0, 0)
    write_nifti(grey, path)
    read = read_radiograph(path)
    assert read.pixels[5, 7] == pytest.approx(float(grey[5, 7, 1]), abs=1e-3)
    assert any("0.5 % of its pixels are tinted" in note for note in read.notes)
    grey[:50] = (255, 0, 0)
    write_nifti(grey, path)
    with pytest.raises(KneeBundleError, match="coloured"):
        read_radiograph(path)
