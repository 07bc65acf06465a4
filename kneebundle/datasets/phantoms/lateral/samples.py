"""Folders of drawn lateral films with their labels, as `kneebundle.datasets.lateral` reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from kneebundle.datasets.phantoms.lateral.collection import LateralKnees
from kneebundle.datasets.phantoms.lateral.knee import BONES, POINTS, LateralKnee
from kneebundle.errors import KneeBundleError
from kneebundle.io.tables import write_table
from kneebundle.io.writing import write_whole

__all__ = ["COLUMNS", "label_cells", "synthesize_lateral", "write_png"]

COLUMNS = [
    *("image", "subject_id", "spacing_mm"),
    *(f"{point}_{axis}" for point in POINTS for axis in "xy"),
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
        size_px, spacing_mm: as for `draw_lateral_knee`.

    Raises:
        KneeBundleError: if the folder cannot be written to, or on a size or spacing that cannot be drawn.
    """
    folder = Path(out_folder)
    try:
        for part in ("images", "masks"):
            (folder / part).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise KneeBundleError(f"the folder cannot be made ({error.strerror}); give another one", folder) from error
    rows = []
    for i, knee in enumerate(LateralKnees(count, seed, size_px, spacing_mm)):
        stem = f"lateral{seed}_{i:05d}"
        write_png(folder / "images" / f"{stem}.png", knee.image.astype(np.uint8))
        for bone, mask in zip(BONES, knee.masks, strict=True):
            write_png(folder / "masks" / f"{stem}_{bone}.png", mask.astype(np.uint8) * 255)
        rows.append([f"{stem}.png", stem, f"{knee.spacing_mm:.5f}", *label_cells(knee)])
    write_table(folder / "points.csv", COLUMNS, rows)


def label_cells(knee: LateralKnee) -> list[Any]:
    """The cells of a film's row in points.csv, from p_blum_x on."""
    points = np.concatenate([knee.landmarks, knee.cortex_line]).ravel()
    ball = knee.sphere
    place = [None] * 3 if ball is None else [f"{v:.2f}" for v in (ball.x, ball.y, ball.radius_px)]
    pose = [f"{angle:.1f}" for angle in (knee.flexion_deg, *knee.rotation_deg)]
    return [*(f"{value:.2f}" for value in points), knee.facing, *pose, *place]


def write_png(path: Path, pixels: np.ndarray) -> None:
    """Write 8-bit greys, whole or not at all."""
    with write_whole(path) as temporary:
        Image.fromarray(pixels).save(temporary)
