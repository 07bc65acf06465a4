"""Folders of drawn knees with their labels: the samples that ship, and data sets of any size."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kneebundle.datasets.phantoms.knee_pa import PhantomKnees, draw_knee
from kneebundle.errors import KneeBundleError
from kneebundle.io.dicom_writing import write_dicom
from kneebundle.io.tables import write_table
from kneebundle.io.writing import write_whole
from kneebundle.landmarks import KNEE_PA, Landmarks
from kneebundle.radiograph import Radiograph, Side

__all__ = ["synthesize", "write_samples"]

_POINT_COLUMNS = [f"{axis}{i}" for i in range(len(KNEE_PA)) for axis in "xy"]
_DICOM_SPACING_MM = 0.35
_PNG_SPACING_MM = 0.3


def write_samples(folder: str | Path, seed: int = 0) -> None:
    """Write ten drawn knees: each side in all five grades, five as PNG (one inverted) and five as DICOM.

    Beside the images lie ``manifest.csv`` (path, side, spacing_mm; a DICOM file states its own spacing) for ``kneebundle
    predict`` and ``truth.csv`` (image, side, spacing_mm, kl, x0, y0 .. x15, y15) for ``kneebundle evaluate``. The same seed
    gives the same bytes.

    Args:
        folder: where to; made if it is not there.
        seed: another seed, other knees.

    Raises:
        KneeBundleError: if the folder cannot be written to.
    """
    folder = _made(Path(folder))
    manifest: list[list[Any]] = []
    truth: list[list[Any]] = []
    sides: tuple[Side, Side] = ("R", "L")
    for i in range(10):
        kl, side, as_png = i // 2, sides[i % 2], (i + i // 2) % 2 == 0
        spacing = _PNG_SPACING_MM if as_png else _DICOM_SPACING_MM
        film, landmarks = draw_knee(
            np.random.default_rng([seed, i]), side=side, kl=kl, spacing_mm=spacing, inverted=i == 3
        )
        name = f"knee_{side}_kl{kl}.{'png' if as_png else 'dcm'}"
        if as_png:
            _write_png(folder / name, film)
        else:
            _write_dicom(folder / name, film, "MONOCHROME1" if i == 4 else "MONOCHROME2")
        manifest.append([name, side, spacing if as_png else None])
        truth.append([name, side, spacing, kl, *_cells(landmarks)])
    write_table(folder / "manifest.csv", ["path", "side", "spacing_mm"], manifest)
    write_table(folder / "truth.csv", ["image", "side", "spacing_mm", "kl", *_POINT_COLUMNS], truth)


def synthesize(
    out_folder: str | Path,
    count: int,
    seed: int = 0,
    size_mm: float = 140.0,
    spacing_mm: float = 0.3,
    inverted_every: int = 0,
) -> None:
    """Write a data set of drawn knees: ``images/*.png`` (8 bits) and ``landmarks.csv``, columns as in the OAI crops' table.

    Args:
        out_folder: where to; made if it is not there. landmarks.csv is written last.
        count: number of knees, the ones of ``PhantomKnees(count, seed, ...)``.
        seed: another seed, other knees.
        size_mm, spacing_mm, inverted_every: as for ``PhantomKnees``.

    Raises:
        KneeBundleError: if the folder cannot be written to, or on a size or spacing that cannot be drawn.
    """
    folder = Path(out_folder)
    images = _made(folder / "images")
    knees = PhantomKnees(count, seed, size_mm=size_mm, spacing_mm=spacing_mm, inverted_every=inverted_every)
    rows: list[list[Any]] = []
    for i in range(count):
        film, landmarks, kl = knees[i]
        subject, side = f"phantom{seed}_{i:05d}", knees.side(i)
        _write_png(images / f"{subject}{side}.png", film)
        rows.append([f"{subject}{side}.png", subject, side, kl, spacing_mm, int(knees.inverted(i)), *_cells(landmarks)])
    columns = ["image", "subject_id", "side", "kl", "spacing_mm", "inverted", *_POINT_COLUMNS]
    write_table(folder / "landmarks.csv", columns, rows)


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise KneeBundleError(f"the folder cannot be made ({error.strerror}); give another one", folder) from error
    return folder


def _cells(landmarks: Landmarks) -> Sequence[str]:
    return [f"{value:.2f}" for value in landmarks.points.ravel()]


def _write_png(path: Path, film: Radiograph) -> None:
    from PIL import Image

    with write_whole(path) as temporary:
        Image.fromarray((film.pixels / 16).astype(np.uint8)).save(temporary, compress_level=9)


def _write_dicom(path: Path, film: Radiograph, photometric: Any) -> None:
    write_dicom(
        path,
        film.pixels.astype(np.uint16),
        film.spacing_mm,
        side=film.side,
        view="pa-single",
        photometric=photometric,
    )
