"""The drawn hands that ship as samples, in the layout of the Digital Hand Atlas."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from kneebundle.io.writing import write_atomically
from kneebundle.phantoms.files import make_folder, write_png
from kneebundle.phantoms.hand.hand import draw_hand

__all__ = ["write_hand_samples"]


def write_hand_samples(folder: str | Path, count: int = 3, seed: int = 0) -> None:
    """Write ``images/hand_<n>.png`` (8 bits) and ``landmarks_px.csv`` (id, x0, y0 .. x36, y36; no header).

    Args:
        folder: where to; made if it is not there.
        count: number of hands.
        seed: another seed, other hands; the same one gives the same bytes.

    Raises:
        KneeBundleError: if the folder cannot be made.
    """
    images = make_folder(Path(folder) / "images")
    lines = []
    for number in range(count):
        radiograph, landmarks = draw_hand(np.random.default_rng([seed, 2_000_000 + number]))
        write_png(images / f"hand_{number}.png", radiograph.pixels / 16, compress_level=9)
        lines.append(",".join([f"hand_{number}", *(f"{value:.2f}" for value in landmarks.points.ravel())]))
    with write_atomically(Path(folder) / "landmarks_px.csv") as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
