"""Sample films of drawn hands, in the layout of the Digital Hand Atlas."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from kneebundle.datasets.phantoms.hand import draw_hand
from kneebundle.io.writing import write_whole

__all__ = ["write_hand_samples"]


def write_hand_samples(folder: str | Path, count: int = 3, seed: int = 0) -> None:
    """Write ``images/hand_<n>.png`` (8 bits) and ``landmarks_px.csv`` (id, x0, y0 .. x36, y36; no header).

    Args:
        folder: where to; made if it is not there.
        count: number of hands.
        seed: another seed, other hands; the same one gives the same bytes.
    """
    from PIL import Image

    images = Path(folder) / "images"
    images.mkdir(parents=True, exist_ok=True)
    lines = []
    for number in range(count):
        film, landmarks = draw_hand(np.random.default_rng([seed, 2_000_000 + number]))
        with write_whole(images / f"hand_{number}.png") as temporary:
            Image.fromarray((film.pixels / 16).astype(np.uint8)).save(temporary, compress_level=9)
        lines.append(",".join([f"hand_{number}", *(f"{value:.2f}" for value in landmarks.points.ravel())]))
    with write_whole(Path(folder) / "landmarks_px.csv") as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
