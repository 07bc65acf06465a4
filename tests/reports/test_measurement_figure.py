"""The figure of how measurements are taken."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from kneebundle.measurements.measurement import Measurement
from kneebundle.radiograph import Radiograph
from kneebundle.reports.measurement_figure import write_measurement_figure


def test_a_panel_shows_the_lines_and_a_missing_value_leaves_it_empty(tmp_path: Path) -> None:
    radiograph = Radiograph(np.linspace(0, 0.2, 100)[:, None] * np.ones((100, 200)), (1.0, 0.5))
    width = Measurement("femoral_width", 80.0, "mm", segments_px=(np.array([[20.0, 50.0], [180.0, 50.0]]),))
    missing = Measurement("joint_space_width_medial", None, "mm", reason="not clear")
    write_measurement_figure(radiograph, [("Width", [width]), ("Gap", [missing])], tmp_path / "a.png")
    red, green, blue = np.asarray(Image.open(tmp_path / "a.png").convert("RGB"), dtype=int).transpose(2, 0, 1)
    yellow = (red > 200) & (green > 200) & (blue < 80)
    half = yellow.shape[1] // 2
    assert yellow[:, :half].any() and not yellow[:, half:].any()
