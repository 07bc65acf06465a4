from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import itk
import nibabel
import numpy as np
import pytest

from kneebundle.io.directions import orient_by_directions
from kneebundle.io.reading import read_radiograph

L, P, S = np.eye(3)


@pytest.mark.parametrize(
    ("along_x", "along_y", "expected"),
    [
        (L, P, (False, False, False)),  # what ITK writes of a picture
        (L, -S, (False, False, False)),
        (L, -P, (False, True, False)),  # what dcm2niix writes
        (L, S, (False, True, False)),
        (-L, P, (False, False, True)),
        (-L, -P, (False, True, True)),
        (P, L, (True, False, False)),
        (-S, L, (True, False, False)),
        (S, -L, (True, True, True)),
        (P, -S, (False, False, False)),  # a lateral film is not mirrored
        (-P, S, (False, True, False)),
    ],
)
def test_left_comes_to_the_right_and_the_head_up(
    along_x: np.ndarray, along_y: np.ndarray, expected: tuple[bool, bool, bool]
) -> None:
    found = orient_by_directions(along_x, along_y, "header")
    assert (found.transpose, found.flip_rows, found.flip_columns) == expected
    assert bool(found.notes) == any(expected)


@pytest.mark.parametrize("directions", [((1, 1, 0), (-1, 1, 0)), ((0, 0, 0), (0, 1, 0)), ((1, 0, 0), (1, 0.1, 0))])
def test_oblique_directions_turn_nothing_and_are_said(directions: Sequence[Sequence[float]]) -> None:
    found = orient_by_directions(directions[0], directions[1], "header")
    assert not (found.transpose or found.flip_rows or found.flip_columns)
    assert "oblique" in found.notes[0]


@pytest.mark.parametrize(
    ("along_x", "turned"),
    [((0.8, 0.0, 0.6), False), ((-0.8, 0.0, 0.6), True), ((0.79, 0.0, 0.61), None), ((0.6, 0.0, 0.8), None)],
)
def test_a_film_may_lie_askew_by_37_degrees(along_x: Sequence[float], turned: bool | None) -> None:
    """The last one runs along the body as its rows do."""
    found = orient_by_directions(along_x, -S, "header")
    assert found.flip_columns == bool(turned)
    assert any("oblique" in note for note in found.notes) == (turned is None)


def _save_nifti(path: Path, pixels: np.ndarray, matrix: list[list[float]], origin: tuple[float, ...]) -> None:
    affine = np.eye(4)
    affine[:3, :3] = matrix
    affine[:3, 3] = origin
    image = nibabel.Nifti1Image(np.ascontiguousarray(pixels.T)[..., None], affine)
    image.header.set_xyzt_units("mm")
    nibabel.save(image, path)


@pytest.mark.parametrize(
    ("stored", "matrix"),
    [
        (lambda k: k, [[-0.2, 0, 0], [0, -0.3, 0], [0, 0, 1]]),
        (lambda k: k[::-1], [[-0.2, 0, 0], [0, 0.3, 0], [0, 0, 1]]),
        (lambda k: k[::-1, ::-1], [[0.2, 0, 0], [0, 0.3, 0], [0, 0, 1]]),
        (lambda k: k[::-1], [[-0.2, 0, 0], [0, 0, 1], [0, 0.3, 0]]),
        (lambda k: k.T, [[0, -0.2, 0], [-0.3, 0, 0], [0, 0, 1]]),
    ],
)
def test_the_affine_of_a_nifti_file_is_honoured(
    tmp_path: Path, knee: np.ndarray, stored: Callable[[np.ndarray], np.ndarray], matrix: list[list[float]]
) -> None:
    _save_nifti(tmp_path / "x.nii.gz", stored(knee), matrix, (10, -5, 0))
    read = read_radiograph(tmp_path / "x.nii.gz")
    np.testing.assert_array_equal(read.pixels, knee)
    assert read.spacing_mm == pytest.approx((0.3, 0.2))
    mark = np.argwhere(knee == knee.max())[0][::-1]
    column, row = read.to_stored_px(mark[None])[0].astype(int)
    assert stored(knee)[row, column] == knee.max()


def test_an_affine_that_is_only_a_scale_turns_nothing(tmp_path: Path, knee: np.ndarray) -> None:
    _save_nifti(tmp_path / "x.nii", knee, [[0.2, 0, 0], [0, 0.3, 0], [0, 0, 1]], (0, 0, 0))
    np.testing.assert_array_equal(read_radiograph(tmp_path / "x.nii").pixels, knee)


@pytest.mark.parametrize("flip", [False, True])
def test_the_matrix_of_a_metaimage_is_honoured(tmp_path: Path, knee: np.ndarray, flip: bool) -> None:
    image = itk.image_from_array(np.ascontiguousarray(knee[::-1] if flip else knee))
    image.SetSpacing([0.2, 0.3])
    image.SetDirection(itk.matrix_from_array(np.diag([1.0, -1.0 if flip else 1.0])))
    itk.imwrite(image, str(tmp_path / "x.mha"))
    read = read_radiograph(tmp_path / "x.mha")
    np.testing.assert_array_equal(read.pixels, knee)
    assert read.orientation.flip_rows == flip
