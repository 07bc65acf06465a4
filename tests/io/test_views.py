"""The view of a radiograph: stated, or found by its size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kneebundle.io.reading import read_radiograph
from kneebundle.io.views import find_view, settle_view
from kneebundle.radiograph import Radiograph, Side, View


def radiograph(width_mm: float, height_mm: float, side: Side | None = None, view: View | None = None) -> Radiograph:
    return Radiograph(np.zeros((round(height_mm / 0.5), round(width_mm / 0.4))), (0.5, 0.4), side=side, view=view)


@pytest.mark.parametrize(
    ("width", "height", "side", "view"),
    [
        (430, 350, None, "pa-bilateral"),
        (180, 240, None, "pa-single"),
        (240, 180, None, "pa-bilateral"),
        (240, 300, None, "pa-single"),
        (300, 300, "R", "pa-single"),
    ],
)
def test_the_view_follows_from_the_size(width: float, height: float, side: Side | None, view: View) -> None:
    assert find_view(radiograph(width, height, side)) == view
    assert settle_view(radiograph(width, height, side)).view == view


def test_a_stated_view_wins() -> None:
    stated = radiograph(430, 350, view="pa-single")
    assert find_view(stated) == "pa-single"
    assert settle_view(stated) is stated


@pytest.mark.parametrize(("columns", "view"), [(150, "pa-bilateral"), (90, "pa-single")])
def test_a_radiograph_that_is_read_has_a_view(tmp_path: Path, columns: int, view: View) -> None:
    Image.fromarray(np.arange(100 * columns).reshape(100, columns).astype(np.uint8)).save(tmp_path / "a.png")
    assert read_radiograph(tmp_path / "a.png", spacing_mm=2.0).view == view
