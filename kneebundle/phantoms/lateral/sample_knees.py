"""The drawn lateral films that ship as samples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from pydicom.uid import DeflatedExplicitVRLittleEndian

from kneebundle.io.dicom_writing import write_dicom
from kneebundle.io.tables import write_table
from kneebundle.phantoms.files import make_folder, write_png
from kneebundle.phantoms.lateral.collection import LateralKnees
from kneebundle.phantoms.lateral.data_set import COLUMNS, format_labels, write_masks
from kneebundle.phantoms.lateral.knee import LateralKnee
from kneebundle.radiograph import Side

__all__ = ["write_lateral_samples"]

_ROWS = 320
_COUNT = 4


def write_lateral_samples(folder: str | Path, labels: str | Path, seed: int = 7) -> None:
    """Write four drawn lateral films, and apart from them their labels for ``kneebundle evaluate``.

    Two are PNG files, which state no pixel spacing but show a measuring sphere, two DICOM files without one. Beside
    them lies ``manifest.csv`` (path, view, spacing_mm). The labels are ``points.csv`` and ``masks/``, as
    :func:`~kneebundle.phantoms.lateral.synthesize_lateral` writes them. The same seed gives the same bytes.

    Args:
        folder: where the films go; made if it is not there.
        labels: where the labels go; a folder of their own, because masks are pictures, too.
        seed: another seed, other films.

    Raises:
        KneeBundleError: if a folder cannot be made.
    """
    folder, labels = make_folder(folder), Path(labels)
    make_folder(labels / "masks")
    manifest: list[list[Any]] = []
    truth: list[list[Any]] = []
    for number, knee in enumerate(_choose(seed)):
        stem, spacing = f"lateral_{number}", f"{knee.spacing_mm:.5f}"
        name = f"{stem}.png" if knee.sphere else f"{stem}.dcm"
        if knee.sphere:
            write_png(folder / name, knee.image)
        else:
            _write_dicom(folder / name, knee, "R" if number % 4 == 1 else "L")
        write_masks(labels / "masks", stem, knee)
        manifest.append([name, "lateral", spacing if knee.sphere else None])
        truth.append([name, stem, spacing, *format_labels(knee)])
    write_table(folder / "manifest.csv", ["path", "view", "spacing_mm"], manifest)
    write_table(labels / "points.csv", COLUMNS, truth)


def _choose(seed: int) -> list[LateralKnee]:
    """Choose the first films with a whole sphere and the first ones without any, in turn."""
    each = _COUNT // 2
    measured: list[LateralKnee] = []
    plain: list[LateralKnee] = []
    for knee in LateralKnees(20 * _COUNT, seed, _ROWS):
        if knee.sphere is None and len(plain) < each:
            plain.append(knee)
        elif _has_whole_sphere(knee) and len(measured) < each:
            measured.append(knee)
        if len(plain) == len(measured) == each:
            break
    return [knee for pair in zip(measured, plain, strict=True) for knee in pair]


def _has_whole_sphere(knee: LateralKnee) -> bool:
    ball = knee.sphere
    if ball is None:
        return False
    rows, columns = knee.image.shape
    reach = ball.radius_px + 2
    return reach < ball.x < columns - 1 - reach and reach < ball.y < rows - 1 - reach


def _write_dicom(path: Path, knee: LateralKnee, side: Side) -> None:
    write_dicom(
        path,
        knee.image.astype(np.uint8),
        (knee.spacing_mm, knee.spacing_mm),
        side=side,
        view="lateral",
        bits_stored=8,
        transfer_syntax=DeflatedExplicitVRLittleEndian,
        attributes={"PatientOrientation": ["A" if knee.facing == "right" else "P", "F"]},
    )
