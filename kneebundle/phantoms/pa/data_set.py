"""Data sets of drawn knees, of any size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kneebundle.io.data_set_folder import hold_data_set
from kneebundle.io.tables import write_table
from kneebundle.landmarks import KNEE_PA, Landmarks
from kneebundle.phantoms.files import make_folder, write_png
from kneebundle.phantoms.pa.knee import PhantomKnees

__all__ = ["format_points", "synthesize_knees"]


def synthesize_knees(
    out_folder: str | Path,
    count: int,
    seed: int = 0,
    size_mm: float = 140.0,
    spacing_mm: float = 0.3,
    inverted_every: int = 0,
) -> None:
    """Write a data set of drawn knees: ``images/*.png`` (8 bits) and ``landmarks.csv``.

    The columns are those of the data set that ``kneebundle prepare-crops`` writes.

    Args:
        out_folder: where to; made if it is not there. landmarks.csv is written last.
        count: number of knees, those of ``PhantomKnees(count, seed, ...)``.
        seed: another seed, other knees.
        size_mm, spacing_mm, inverted_every: as for :class:`PhantomKnees`.

    Raises:
        KneeBundleError: if the folder cannot be written to or holds another data set, or on a size or spacing that
            cannot be drawn.
    """
    folder = Path(out_folder)
    settings = {"knees": count, "seed": seed, "size_mm": size_mm, "spacing_mm": spacing_mm, "inverted": inverted_every}
    knees = PhantomKnees(count, seed, size_mm=size_mm, spacing_mm=spacing_mm, inverted_every=inverted_every)
    with hold_data_set(folder, "synthesize", settings, ["images"], ["landmarks.csv"]):
        images = make_folder(folder / "images")
        rows: list[list[Any]] = []
        for i, (radiograph, landmarks, kl) in enumerate(knees):
            subject, side = f"phantom{seed}_{i:05d}", knees.side(i)
            name = f"{subject}{side}.png"
            write_png(images / name, radiograph.pixels / 16, compress_level=9)
            rows.append([name, subject, side, kl, spacing_mm, int(knees.inverted(i)), *format_points(landmarks)])
        columns = ["image", "subject_id", "side", "kl", "spacing_mm", "inverted", *KNEE_PA.columns]
        write_table(folder / "landmarks.csv", columns, rows)


def format_points(landmarks: Landmarks) -> list[str]:
    """The cells of a table's row: x and y of each landmark, to hundredths."""
    return [f"{value:.2f}" for value in landmarks.points.ravel()]
