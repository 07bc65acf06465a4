"""Tiirola's Figures 2 and 3: pairs of before and after, three in a row."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from kneebundle.evaluation.registration_figure import draw_registrations


def test_four_pairs_take_two_rows(tmp_path: Path) -> None:
    dark, bright = torch.full((1, 8, 8), -1.0), torch.full((1, 8, 8), 1.0)
    draw_registrations([(dark, bright)] * 3, tmp_path / "one.png")
    draw_registrations([(dark, bright)] * 4, tmp_path / "two.png")
    one, two = (np.asarray(Image.open(tmp_path / f"{name}.png").convert("L")) for name in ("one", "two"))
    assert two.shape[0] == 2 * one.shape[0] and two.shape[1] == one.shape[1]
    assert (one == 0).mean() > 0.1, "the images before"
    last = two[one.shape[0] :] == 0
    beside = last.shape[1] // 3
    assert last[:, :beside].mean() > 0.1 and last[:, beside:].mean() < 0.02, "nothing but a title beside the last pair"
