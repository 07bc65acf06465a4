"""Bilateral sample films of drawn knees."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from kneebundle.datasets.phantoms.bilateral import BilateralFilms, KneeImage
from kneebundle.datasets.phantoms.knee_pa import draw_knee
from kneebundle.io.dicom_writing import write_dicom
from kneebundle.io.tables import write_table
from kneebundle.landmarks import KNEE_PA
from kneebundle.radiograph import Side

__all__ = ["write_film_samples"]

_DEFLATED = "1.2.840.10008.1.2.1.99"
_SPACING_MM = 0.4


def write_film_samples(folder: str | Path, count: int = 2, seed: int = 0) -> None:
    """Write bilateral DICOM films and ``truth.csv`` (image, side, spacing_mm, x0, y0 .. x15, y15), a row a knee.

    Args:
        folder: where to; made if it is not there.
        count: number of films.
        seed: another seed, other films.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    films = BilateralFilms(_knees(2 * count, seed), count, seed, _SPACING_MM, implants=0.0)
    truth: list[list[Any]] = []
    for number in range(count):
        film, known = films[number]
        name = f"film_{number}.dcm"
        pixels = np.round(film.pixels).astype(np.uint16)
        write_dicom(folder / name, pixels, film.spacing_mm, view="pa-bilateral", transfer_syntax=_DEFLATED)
        for side, points in known.landmarks_px.items():
            truth.append([name, side, _SPACING_MM, *(f"{value:.2f}" for value in points.ravel())])
    columns = [f"{axis}{i}" for i in range(len(KNEE_PA)) for axis in "xy"]
    write_table(folder / "truth.csv", ["image", "side", "spacing_mm", *columns], truth)


def _knees(count: int, seed: int) -> list[KneeImage]:
    sides: tuple[Side, Side] = ("R", "L")
    knees = []
    for number in range(count):
        side = sides[number % 2]
        film, landmarks = draw_knee(np.random.default_rng([seed, 100 + number]), side=side, size_mm=110.0)
        knees.append(KneeImage(film.pixels, film.spacing_mm[0], landmarks.points, side))
    return knees
