"""Data sets of drawn lateral films with their labels, as :mod:`kneebundle.datasets.lateral` reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from kneebundle.io.data_set_folder import hold_data_set
from kneebundle.io.tables import write_table
from kneebundle.landmarks import BONES, LATERAL_POINTS
from kneebundle.phantoms.files import make_folder, write_png
from kneebundle.phantoms.lateral.collection import LateralKnees
from kneebundle.phantoms.lateral.knee import LateralKnee

__all__ = ["COLUMNS", "format_labels", "synthesize_lateral", "write_masks"]

COLUMNS = [
    *("image", "subject_id", "spacing_mm"),
    *(f"{point}_{axis}" for point in LATERAL_POINTS for axis in "xy"),
    *("facing", "flexion_deg", "turn_deg", "lean_deg", "sphere_x", "sphere_y", "sphere_radius_px"),
]


def synthesize_lateral(
    out_folder: str | Path, count: int, seed: int = 0, size_px: int = 256, spacing_mm: float | None = None
) -> None:
    """Write a data set of drawn lateral films: ``images/*.png``, ``masks/*_<bone>.png`` and ``points.csv``.

    Args:
        out_folder: where to; made if it is not there. points.csv is written last.
        count: number of films, those of ``LateralKnees(count, seed, ...)``.
        seed: another seed, other films.
        size_px, spacing_mm: as for :func:`draw_lateral_knee`.

    Raises:
        KneeBundleError: if the folder cannot be written to or holds another data set, or on a size or spacing that
            cannot be drawn.
    """
    folder = Path(out_folder)
    settings = {"films": count, "seed": seed, "size_px": size_px, "spacing_mm": spacing_mm}
    with hold_data_set(folder, "synthesize", settings, ["images", "masks"], ["points.csv"]):
        images, masks = make_folder(folder / "images"), make_folder(folder / "masks")
        rows = []
        for i, knee in enumerate(LateralKnees(count, seed, size_px, spacing_mm)):
            stem = f"lateral{seed}_{i:05d}"
            write_png(images / f"{stem}.png", knee.image)
            write_masks(masks, stem, knee)
            rows.append([f"{stem}.png", stem, f"{knee.spacing_mm:.5f}", *format_labels(knee)])
        write_table(folder / "points.csv", COLUMNS, rows)


def format_labels(knee: LateralKnee) -> list[Any]:
    """The cells of a film's row in points.csv, from p_blum_x on."""
    points = np.concatenate([knee.landmarks, knee.cortex_line]).ravel()
    ball = knee.sphere
    place = [None] * 3 if ball is None else [f"{v:.2f}" for v in (ball.x, ball.y, ball.radius_px)]
    pose = [f"{angle:.1f}" for angle in (knee.flexion_deg, *knee.rotation_deg)]
    return [*(f"{value:.2f}" for value in points), knee.facing, *pose, *place]


def write_masks(folder: Path, stem: str, knee: LateralKnee) -> None:
    """Write the mask of each bone as ``<stem>_<bone>.png``, 255 on the bone."""
    for bone, mask in zip(BONES, knee.masks, strict=True):
        write_png(folder / f"{stem}_{bone}.png", mask * 255)
