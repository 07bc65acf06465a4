"""The drawn knees that ship as samples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from kneebundle.io.dicom_writing import write_dicom
from kneebundle.io.tables import write_table
from kneebundle.landmarks import KNEE_PA
from kneebundle.phantoms.files import make_folder, write_png
from kneebundle.phantoms.pa.data_set import format_points
from kneebundle.phantoms.pa.knee import draw_knee
from kneebundle.radiograph import Side

__all__ = ["write_knee_samples"]

_DICOM_SPACING_MM = 0.35
_PNG_SPACING_MM = 0.3


def write_knee_samples(folder: str | Path, seed: int = 0) -> None:
    """Write ten drawn knees: each side in all five grades, five as PNG (one inverted) and five as DICOM.

    Beside the images lie ``manifest.csv`` (path, side, spacing_mm; a DICOM file states its own spacing) for
    ``kneebundle predict`` and ``truth.csv`` (image, side, spacing_mm, kl, x0, y0 .. x15, y15) for ``kneebundle
    evaluate``. The same seed gives the same bytes.

    Args:
        folder: where to; made if it is not there.
        seed: another seed, other knees.

    Raises:
        KneeBundleError: if the folder cannot be made.
    """
    folder = make_folder(folder)
    manifest: list[list[Any]] = []
    truth: list[list[Any]] = []
    sides: tuple[Side, Side] = ("R", "L")
    for i in range(10):
        kl, side, as_png = i // 2, sides[i % 2], (i + i // 2) % 2 == 0
        spacing = _PNG_SPACING_MM if as_png else _DICOM_SPACING_MM
        radiograph, landmarks = draw_knee(
            np.random.default_rng([seed, i]), side=side, kl=kl, spacing_mm=spacing, inverted=i == 3
        )
        name = f"knee_{side}_kl{kl}.{'png' if as_png else 'dcm'}"
        if as_png:
            write_png(folder / name, radiograph.pixels / 16, compress_level=9)
        else:
            write_dicom(
                folder / name,
                radiograph.pixels.astype(np.uint16),
                radiograph.spacing_mm,
                side=side,
                view="pa-single",
                photometric="MONOCHROME1" if i == 4 else "MONOCHROME2",
            )
        manifest.append([name, side, spacing if as_png else None])
        truth.append([name, side, spacing, kl, *format_points(landmarks)])
    write_table(folder / "manifest.csv", ["path", "side", "spacing_mm"], manifest)
    write_table(folder / "truth.csv", ["image", "side", "spacing_mm", "kl", *KNEE_PA.columns], truth)
