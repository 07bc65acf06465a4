"""Where the pixels of an image file lie in space for ITK and the programs built on it, such as 3D Slicer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kneebundle.errors import KneeBundleError
from kneebundle.io.decoding import DecodingError, decode_in_worker

__all__ = ["Placement", "make_placement", "read_placement"]


@dataclass(frozen=True)
class Placement:
    """The way between the pixels of a file and patient coordinates (L, P, S) in mm; in 3D Slicer's R and A change sign.

    Attributes:
        origin: (3,) the centre of pixel (0, 0).
        columns: (3,) the step from a column to the next.
        rows: (3,) the step from a row to the next.
    """

    origin: np.ndarray
    columns: np.ndarray
    rows: np.ndarray

    def to_lps(self, points_px: np.ndarray) -> np.ndarray:
        """(N, 3) of points (N, 2), x then y, in pixels of the file as it is stored."""
        points = np.asarray(points_px, dtype=np.float64).reshape(-1, 2)
        return self.origin + points @ np.stack([self.columns, self.rows])

    def to_px(self, points_lps: np.ndarray) -> np.ndarray:
        """(N, 2) of points (N, 3), dropped onto the plane of the image."""
        offsets = np.asarray(points_lps, dtype=np.float64).reshape(-1, 3) - self.origin
        return offsets @ np.linalg.pinv(np.stack([self.columns, self.rows]))


def make_placement(spacing_mm: tuple[float, float]) -> Placement:
    """Make the placement with origin 0, columns along L and rows along P; ``spacing_mm`` is (row, column).

    Example:
        >>> make_placement((0.2, 0.3)).to_lps([[10.0, 5.0]]).tolist()
        [[3.0, 1.0, 0.0]]
    """
    row_mm, column_mm = spacing_mm
    return Placement(np.zeros(3), np.array([column_mm, 0.0, 0.0]), np.array([0.0, row_mm, 0.0]))


def read_placement(path: Path, spacing_mm: tuple[float, float] = (1.0, 1.0)) -> Placement:
    """Read the placement of a file as ITK does, in the process that may die over a damaged file.

    A radiograph has no place in the patient, so most files give the origin 0, columns along L and rows along P, and
    their steps are what ITK takes for the spacing, which is not always the one that measurements should be made with: 1
    mm for a PNG, the density for printing for a JPEG, ImagerPixelSpacing for DICOM, or 1 mm without that. A NIfTI file
    is placed by its affine.

    Args:
        path: a file of any format that :func:`kneebundle.io.reading.read_radiograph` reads.
        spacing_mm: (row, column), for a file that ITK cannot read.
    """
    try:
        origin, columns, rows = decode_in_worker("placement", path.absolute())
    except (DecodingError, KneeBundleError):
        return make_placement(spacing_mm)
    return Placement(origin, columns, rows)


def load_reader() -> None:
    """Load what :func:`read_axes` needs of ITK, which loads its parts when they are first used."""
    import itk

    itk.ImageIOFactory.CreateImageIO("none.dcm", itk.CommonEnums.IOFileMode_ReadMode)


def read_axes(path: Path) -> np.ndarray:
    """Read origin, step of the columns and step of the rows of a file, (3, 3), as ITK has them.

    Raises:
        AttributeError, RuntimeError: if ITK cannot read it.
    """
    import itk

    reader: Any = itk.ImageIOFactory.CreateImageIO(str(path), itk.CommonEnums.IOFileMode_ReadMode)
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    axes = range(reader.GetNumberOfDimensions())
    origin = _pad_to_3d([reader.GetOrigin(axis) for axis in axes])
    columns, rows = (_pad_to_3d(reader.GetDirection(axis)) * reader.GetSpacing(axis) for axis in (0, 1))
    return np.stack([origin, columns, rows])


def _pad_to_3d(values: Any) -> np.ndarray:
    vector = np.zeros(3)
    vector[: min(len(values), 3)] = list(values)[:3]
    return vector
