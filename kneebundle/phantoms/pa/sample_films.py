"""The bilateral films of drawn knees that ship as samples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from pydicom.uid import DeflatedExplicitVRLittleEndian

from kneebundle.io.dicom_writing import write_dicom
from kneebundle.io.tables import write_table
from kneebundle.landmarks import KNEE_PA
from kneebundle.phantoms.files import make_folder
from kneebundle.phantoms.pa.bilateral import BilateralFilms, KneeImage
from kneebundle.phantoms.pa.knee import draw_knee
from kneebundle.radiograph import Side

__all__ = ["write_film_samples"]

_SPACING_MM = 0.4


def write_film_samples(folder: str | Path, count: int = 2, seed: int = 0) -> None:
    """Write bilateral DICOM films and ``truth.csv`` (image, side, spacing_mm, x0, y0 .. x15, y15), a row a knee.

    Args:
        folder: where to; made if it is not there.
        count: number of films.
        seed: another seed, other films; the same one gives the same bytes.

    Raises:
        KneeBundleError: if the folder cannot be made.
    """
    folder = make_folder(folder)
    films = BilateralFilms(_draw_knees(2 * count, seed), count, seed, _SPACING_MM, implants=0.0)
    truth: list[list[Any]] = []
    for number in range(count):
        film, known = films[number]
        name = f"film_{number}.dcm"
        pixels = np.round(film.pixels).astype(np.uint16)
        write_dicom(
            folder / name,
            pixels,
            film.spacing_mm,
            view="pa-bilateral",
            transfer_syntax=DeflatedExplicitVRLittleEndian,
        )
        for side, points in known.landmarks_px.items():
            truth.append([name, side, _SPACING_MM, *(f"{value:.2f}" for value in points.ravel())])
    write_table(folder / "truth.csv", ["image", "side", "spacing_mm", *KNEE_PA.columns], truth)


def _draw_knees(count: int, seed: int) -> list[KneeImage]:
    sides: tuple[Side, Side] = ("R", "L")
    knees = []
    for number in range(count):
        side = sides[number % 2]
        radiograph, landmarks = draw_knee(np.random.default_rng([seed, 100 + number]), side=side, size_mm=110.0)
        knees.append(KneeImage(radiograph.pixels, radiograph.spacing_mm[0], landmarks.points, side))
    return knees
