"""The one class for a radiograph: pixels with their spacing, side, view and identity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from monai.data import MetaTensor

from kneebundle.errors import KneeBundleError
from kneebundle.orientation import Orientation

__all__ = ["UNCALIBRATED", "Radiograph", "Side", "View"]

Side = Literal["R", "L"]
View = Literal["pa-bilateral", "pa-single", "lateral"]

UNCALIBRATED = "none"
"""Spacing source of a radiograph whose pixels count as squares of 1 mm until a measuring sphere gives their size."""


@dataclass(frozen=True)
class Radiograph:
    """A plain radiograph as displayed: patient facing the viewer, bone bright.

    Attributes:
        pixels: (rows, columns) float32 grey values, bone brighter than air.
        spacing_mm: size of a pixel in mm, (row, column): the distance between rows, then between columns.
        path: where it was read from.
        spacing_source: which statement the spacing rests on: ``"PixelSpacing"``, ``"ImagerPixelSpacing"``,
            ``"argument"``, ``"header"``, ``"manifest"``, ``"sphere"`` (measuring sphere); :data:`UNCALIBRATED` where
            there is none.
        side: ``"R"`` or ``"L"`` if the file shows one known knee, else None.
        view: the view if it is known, else None.
        sop_instance_uid: identity of the DICOM object, if it is one.
        orientation: how the stored image was turned to be displayed; files give results in pixels of the stored one.
        notes: remarks for the user on how the file was read, one line each.

    Raises:
        KneeBundleError: on pixels that are not two-dimensional or not finite, or on a spacing that is not positive.

    Example:
        >>> import numpy as np
        >>> from kneebundle import Radiograph
        >>> radiograph = Radiograph(np.zeros((300, 200)), spacing_mm=(0.5, 0.2), side="R")
        >>> radiograph.px_to_mm([[10, 20]]).tolist()
        [[2.0, 10.0]]
    """

    pixels: np.ndarray
    spacing_mm: tuple[float, float]
    path: str = ""
    spacing_source: str = "argument"
    side: Side | None = None
    view: View | None = None
    sop_instance_uid: str | None = None
    orientation: Orientation = Orientation()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        pixels = np.ascontiguousarray(self.pixels, dtype=np.float32)
        object.__setattr__(self, "pixels", pixels)
        if pixels.ndim != 2:
            raise KneeBundleError(
                f"the image has shape {pixels.shape}; a radiograph is one grey image of rows x columns", self.path
            )
        if not np.isfinite(pixels).all():
            raise KneeBundleError("the image has pixels that are not finite numbers; export it again", self.path)
        if len(self.spacing_mm) != 2 or not all(np.isfinite(s) and s > 0 for s in self.spacing_mm):
            raise KneeBundleError(
                f"the pixel spacing is {self.spacing_mm} mm; two positive numbers are needed", self.path, "spacing_mm"
            )

    @property
    def rows(self) -> int:
        """Number of rows of pixels."""
        return int(self.pixels.shape[0])

    @property
    def columns(self) -> int:
        """Number of columns of pixels."""
        return int(self.pixels.shape[1])

    @property
    def is_calibrated(self) -> bool:
        """Whether the size of a pixel is known."""
        return self.spacing_source != UNCALIBRATED

    def to_metatensor(self) -> MetaTensor:
        """Convert to (1, rows, columns); the affine takes (row, column) to mm from the centre of pixel (0, 0)."""
        row_mm, column_mm = self.spacing_mm
        affine = torch.diag(torch.tensor([row_mm, column_mm, 1.0, 1.0], dtype=torch.float64))
        return MetaTensor(torch.from_numpy(self.pixels.copy())[None], affine=affine)

    def px_to_mm(self, points: np.ndarray) -> np.ndarray:
        """Convert points (N, 2), x then y, from pixels to mm."""
        return np.asarray(points, dtype=np.float64) * np.array(self.spacing_mm[::-1])

    def mm_to_px(self, points: np.ndarray) -> np.ndarray:
        """Convert points (N, 2), x then y, from mm to pixels."""
        return np.asarray(points, dtype=np.float64) / np.array(self.spacing_mm[::-1])

    def to_stored_px(self, points: np.ndarray) -> np.ndarray:
        """Convert points (N, 2), x then y, from pixels as displayed to pixels of the image as stored."""
        return self.orientation.points_to_stored(points, self.rows, self.columns)
