"""The drawn lateral films that ship."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from kneebundle.datasets.phantoms.lateral.collection import LateralKnees
from kneebundle.datasets.phantoms.lateral.knee import BONES, LateralKnee
from kneebundle.datasets.phantoms.lateral.samples import COLUMNS, label_cells, write_png
from kneebundle.io.dicom_writing import write_dicom
from kneebundle.io.tables import write_table
from kneebundle.radiograph import Side

__all__ = ["write_lateral_samples"]

_ROWS = 320
_COUNT = 4
_DEFLATED = "1.2.840.10008.1.2.1.99"


def write_lateral_samples(folder: str | Path, labels: str | Path, seed: int = 7) -> None:
    """Write four drawn lateral films, and apart from them their labels for ``kneebundle evaluate``.

    Two are PNG files, which state no pixel spacing but show a measuring sphere, two DICOM files without one. Beside them
    lies ``manifest.csv`` (path, view, spacing_mm). The labels are ``points.csv`` and ``masks/``, as
    :func:`~kneebundle.datasets.phantoms.lateral.synthesize_lateral` writes them. The same seed gives the same bytes.

    Args:
        folder: where the films go; made if it is not there.
        labels: where the labels go; a folder of their own, because masks are pictures, too.
        seed: another seed, other films.
    """
    folder, labels = Path(folder), Path(labels)
    for place in (folder, labels / "masks"):
        place.mkdir(parents=True, exist_ok=True)
    manifest: list[list[Any]] = []
    truth: list[list[Any]] = []
    for number, knee in enumerate(_chosen(seed)):
        stem, spacing = f"lateral_{number}", f"{knee.spacing_mm:.5f}"
        name = f"{stem}.png" if knee.sphere else f"{stem}.dcm"
        if knee.sphere:
            write_png(folder / name, knee.image.astype(np.uint8))
        else:
            _write_dicom(folder / name, knee, "R" if number % 4 == 1 else "L")
        for bone, mask in zip(BONES, knee.masks, strict=True):
            write_png(labels / "masks" / f"{stem}_{bone}.png", mask.astype(np.uint8) * 255)
        manifest.append([name, "lateral", spacing if knee.sphere else None])
        truth.append([name, stem, spacing, *label_cells(knee)])
    write_table(folder / "manifest.csv", ["path", "view", "spacing_mm"], manifest)
    write_table(labels / "points.csv", COLUMNS, truth)


def _chosen(seed: int) -> list[LateralKnee]:
    """The first films with a whole sphere and the first ones without any, in turn."""
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
        transfer_syntax=_DEFLATED,
        attributes={"PatientOrientation": ["A" if knee.facing == "right" else "P", "F"]},
    )
