"""Crops before and after their registration, several in one picture (Tiirola 2023, Figures 2 and 3)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from kneebundle.io.writing import write_atomically

__all__ = ["draw_registrations"]


def draw_registrations(pairs: Sequence[tuple[torch.Tensor, torch.Tensor]], path: Path, columns: int = 3) -> None:
    """Draw pairs of a crop and what a registration made of it, three pairs in a row as in the paper.

    Args:
        pairs: of images (1, H, W) in [-1, 1], before and after.
        path: of the PNG.
        columns: pairs beside each other.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    lines = -(-len(pairs) // columns)
    figure = Figure(figsize=(3.0 * columns, 1.6 * lines), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(lines, 2 * columns, squeeze=False)
    for axes in panels.flat:
        axes.set_axis_off()
    for k, pair in enumerate(pairs):
        row, column = divmod(k, columns)
        for part, (image, title) in enumerate(zip(pair, ("before", "after"), strict=True)):
            axes = panels[row, 2 * column + part]
            axes.imshow(np.asarray(image.as_subclass(torch.Tensor)[0].cpu()), cmap="gray", vmin=-1, vmax=1)
            axes.axhline((image.shape[1] - 1) / 2, color="#5ac8ff", linewidth=0.5)
            axes.axvline((image.shape[2] - 1) / 2, color="#5ac8ff", linewidth=0.5)
            if row == 0:
                axes.set_title(title, fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_atomically(path) as temporary:
        figure.savefig(temporary, format="png")
