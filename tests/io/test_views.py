"""The view of a radiograph: stated, or left to be found in the image, never by its size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kneebundle.io.reading import read_radiograph
from kneebundle.io.views import settle_view
from kneebundle.radiograph import Radiograph, Side, View


def radiograph(width_mm: float, height_mm: float, side: Side | None = None, view: View | None = None) -> Radiograph:
    return Radiograph(np.zeros((round(height_mm / 0.5), round(width_mm / 0.4))), (0.5, 0.4), side=side, view=view)


@pytest.mark.parametrize(("width", "height"), [(430, 350), (180, 240), (240, 180), (240, 300)])
def test_the_size_decides_nothing(width: float, height: float) -> None:
    assert settle_view(radiograph(width, height)).view is None


@pytest.mark.parametrize(("width", "height"), [(430, 350), (180, 240)])
def test_a_stated_side_means_a_single_knee(width: float, height: float) -> None:
    assert settle_view(radiograph(width, height, "R")).view == "pa-single"


def test_a_stated_view_wins() -> None:
    stated = radiograph(430, 350, view="pa-single")
    assert settle_view(stated) is stated
    assert settle_view(radiograph(180, 240, "R", "lateral")).view == "lateral"


@pytest.mark.parametrize("columns", [150, 90])
def test_a_radiograph_that_is_read_has_the_view_that_is_stated(tmp_path: Path, columns: int) -> None:
    Image.fromarray(np.arange(100 * columns).reshape(100, columns).astype(np.uint8)).save(tmp_path / "a.png")
    assert read_radiograph(tmp_path / "a.png", spacing_mm=2.0).view is None
    assert read_radiograph(tmp_path / "a.png", spacing_mm=2.0, side="L").view == "pa-single"
    assert read_radiograph(tmp_path / "a.png", spacing_mm=2.0, view="pa-bilateral").view == "pa-bilateral"
