"""What the reader of one format returns, and the steps that all readers share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from kneebundle.errors import KneeBundleError
from kneebundle.orientation import Orientation

__all__ = ["DecodedImage", "choose_frame", "extract_grey_plane"]


@dataclass(frozen=True)
class DecodedImage:
    """One grey image with what its file states.

    Attributes:
        pixels: (rows, columns) grey values, bone bright where the file says so.
        spacing_mm: (row, column) as stated by the file in a trusted way, else None.
        spacing_source: the statement that ``spacing_mm`` rests on; without spacing, what was found instead.
        side: the side that the file states, for an image of one knee.
        view: the view that the file states.
        sop_instance_uid: identity of a DICOM object.
        orientation: what was done to the stored pixels.
        notes: remarks on how the file was read, one line each.
    """

    pixels: np.ndarray
    spacing_mm: tuple[float, float] | None
    spacing_source: str
    side: Literal["R", "L"] | None = None
    view: Literal["pa-bilateral", "pa-single", "lateral"] | None = None
    sop_instance_uid: str | None = None
    orientation: Orientation = Orientation()
    notes: tuple[str, ...] = ()


def choose_frame(count: int, frame: int | None, path: Path) -> int:
    """Check which frame is to be read.

    Args:
        count: number of frames in the file.
        frame: the one that is wanted, counted from 0; None: the only one.
        path: the file, for the error.

    Returns:
        Its number.

    Raises:
        KneeBundleError: if there are several and none is chosen, or the chosen one does not exist.
    """
    if frame is None:
        if count != 1:
            raise KneeBundleError(
                f"the file has {count} frames; a radiograph is one image: export the frame that is wanted, or choose "
                f"one of 0 to {count - 1}",
                path,
                "frame",
            )
        return 0
    if not 0 <= frame < count:
        raise KneeBundleError(f"there is no frame {frame}; the file has {count}, counted from 0", path, "frame")
    return frame


def extract_grey_plane(
    volume: np.ndarray, spacing: tuple[float, ...], frame: int | None, path: Path
) -> tuple[np.ndarray, tuple[float, float]]:
    """Extract the image from an array whose axes are x, y and perhaps further ones of length one.

    Args:
        volume: (x, y, ...) values; several slices lie along the last axis that is longer than one.
        spacing: mm along each axis.
        frame: the slice to take, counted from 0, if there are several.
        path: the file, for the error.

    Returns:
        (rows, columns) values and their (row, column) spacing.

    Raises:
        KneeBundleError: if there are fewer or more than two dimensions left.
    """
    axes = [axis for axis, length in enumerate(volume.shape) if length > 1]
    plane = volume.reshape([volume.shape[axis] for axis in axes])
    if plane.ndim == 3:
        plane = plane[..., choose_frame(plane.shape[2], frame, path)]
    elif frame is not None:
        choose_frame(1, frame, path)
    if plane.ndim != 2:
        shape = " x ".join(map(str, volume.shape))
        raise KneeBundleError(f"the image is {shape}; a radiograph is one grey image of rows x columns", path)
    column_mm, row_mm = spacing[axes[0]], spacing[axes[1]]
    return plane.T, (row_mm, column_mm)
