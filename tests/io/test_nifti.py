from __future__ import annotations

import gzip
from pathlib import Path

import nibabel
import numpy as np
import pytest

from kneebundle.errors import KneeBundleError
from kneebundle.io.nifti import read_nifti_values
from kneebundle.io.reading import read_radiograph


def _save(path: Path, values: np.ndarray, zooms: tuple[float, ...], unit: str | None = "mm") -> None:
    image = nibabel.Nifti1Image(values, np.diag([-zooms[0], -zooms[1], 1, 1]))
    image.header.set_zooms(zooms)
    if unit:
        image.header.set_xyzt_units(unit)
    nibabel.save(image, path)


@pytest.mark.parametrize("name", ["knee.nii", "knee.nii.gz"])
@pytest.mark.parametrize("as_slice", [False, True])
def test_the_first_axis_is_the_column(tmp_path: Path, knee: np.ndarray, name: str, as_slice: bool) -> None:
    values = knee.T[..., None] if as_slice else knee.T
    _save(tmp_path / name, values, (0.2, 0.3, 1.0)[: values.ndim])
    (tmp_path / name).rename(tmp_path / "renamed")

    read = read_radiograph(tmp_path / "renamed")

    np.testing.assert_array_equal(read.pixels, knee)
    assert read.spacing_mm == pytest.approx((0.3, 0.2))
    assert read.spacing_source == "header"


def test_microns_are_taken_as_such(tmp_path: Path, knee: np.ndarray) -> None:
    _save(tmp_path / "knee.nii", knee.T, (200, 300), "micron")
    assert read_radiograph(tmp_path / "knee.nii").spacing_mm == pytest.approx((0.3, 0.2))


def test_a_spacing_without_a_unit_is_mm_with_a_note(tmp_path: Path, knee: np.ndarray) -> None:
    _save(tmp_path / "knee.nii", knee.T, (0.2, 0.2), None)
    read = read_radiograph(tmp_path / "knee.nii")
    assert read.spacing_mm == pytest.approx((0.2, 0.2))
    assert "no unit" in read.notes[0]


@pytest.mark.parametrize(("zooms", "unit"), [((1, 1), None), ((150, 150), "mm"), ((0.0002, 0.0002), "mm")])
def test_a_spacing_that_means_nothing_leaves_the_word_to_the_argument(
    tmp_path: Path, knee: np.ndarray, zooms: tuple[float, float], unit: str | None
) -> None:
    _save(tmp_path / "knee.nii", knee.T, zooms, unit)
    with pytest.raises(
        KneeBundleError, match=r"knee\.nii: the NIfTI header states a pixel spacing of .*; the size of a pixel"
    ):
        read_radiograph(tmp_path / "knee.nii")
    read = read_radiograph(tmp_path / "knee.nii", spacing_mm=0.2)
    assert (read.spacing_mm, read.spacing_source) == ((0.2, 0.2), "argument")


def test_a_volume_is_an_error_unless_a_slice_is_chosen(tmp_path: Path, knee: np.ndarray) -> None:
    volume = np.stack([knee.T, knee.T + 1, knee.T + 2], axis=-1)
    _save(tmp_path / "knee.nii", volume, (0.2, 0.2, 1))
    with pytest.raises(KneeBundleError, match=r"knee\.nii: the file has 3 frames; .* one of 0 to 2"):
        read_radiograph(tmp_path / "knee.nii")
    np.testing.assert_array_equal(read_radiograph(tmp_path / "knee.nii", frame=2).pixels, knee + 2)
    with pytest.raises(KneeBundleError, match=r"no frame 3; the file has 3"):
        read_radiograph(tmp_path / "knee.nii", frame=3)


def test_not_a_number_is_an_error(tmp_path: Path, knee: np.ndarray) -> None:
    values = knee.T.astype(np.float32)
    values[3, 4] = np.nan
    _save(tmp_path / "knee.nii", values, (0.2, 0.2))
    with pytest.raises(KneeBundleError, match=r"knee\.nii: .*not finite.*export it again"):
        read_radiograph(tmp_path / "knee.nii")


@pytest.mark.parametrize("name", ["knee.nii", "knee.nii.gz"])
def test_a_truncated_file_is_an_error(tmp_path: Path, knee: np.ndarray, name: str) -> None:
    _save(tmp_path / name, knee.T, (0.2, 0.2))
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(KneeBundleError, match=r"knee\.nii.*cannot be decoded.*export it again"):
        read_radiograph(tmp_path / name)


def test_a_header_with_its_pixels_in_another_file_is_read(tmp_path: Path, knee: np.ndarray) -> None:
    image = nibabel.Nifti1Pair(knee.T, np.diag([-0.2, -0.3, 1, 1]))
    image.header.set_xyzt_units("mm")
    nibabel.save(image, tmp_path / "knee.hdr")
    assert (tmp_path / "knee.img").is_file()
    np.testing.assert_array_equal(read_radiograph(tmp_path / "knee.hdr").pixels, knee)
    (tmp_path / "knee.img").unlink()
    with pytest.raises(KneeBundleError, match=r"knee\.hdr.*cannot be decoded"):
        read_radiograph(tmp_path / "knee.hdr")


@pytest.mark.parametrize("shape", [(30_000, 30_000), (0, 40)])
def test_a_header_that_states_too_much_or_nothing_is_an_error_before_it_is_unpacked(
    tmp_path: Path, knee: np.ndarray, shape: tuple[int, int]
) -> None:
    _save(tmp_path / "knee.nii", knee.T, (0.2, 0.2))
    content = bytearray((tmp_path / "knee.nii").read_bytes())
    content[42:46] = np.array(shape, "<i2").tobytes()
    (tmp_path / "knee.nii").write_bytes(content)
    (tmp_path / "knee.nii.gz").write_bytes(gzip.compress(bytes(content)))
    for name in ("knee.nii", "knee.nii.gz"):
        with pytest.raises(KneeBundleError, match=r"knee\.nii.*the NIfTI header states"):
            read_radiograph(tmp_path / name)
        with pytest.raises(KneeBundleError, match="the NIfTI header states"):
            read_nifti_values(tmp_path / name)


def test_a_frame_of_an_image_that_has_one_and_an_image_with_too_many_axes(tmp_path: Path, knee: np.ndarray) -> None:
    _save(tmp_path / "knee.nii", knee.T, (0.2, 0.2))
    np.testing.assert_array_equal(read_radiograph(tmp_path / "knee.nii", frame=0).pixels, knee)
    with pytest.raises(KneeBundleError, match="there is no frame 1; the file has 1"):
        read_radiograph(tmp_path / "knee.nii", frame=1)
    _save(tmp_path / "film.nii", np.ones((40, 40, 2, 2), np.uint8), (0.2, 0.2, 1, 1))
    with pytest.raises(KneeBundleError, match="the image is 40 x 40 x 2 x 2; a radiograph is one grey image"):
        read_radiograph(tmp_path / "film.nii")
