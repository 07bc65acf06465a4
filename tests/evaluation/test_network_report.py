"""Networks in one table, on the knees that they share."""

from pathlib import Path

import numpy as np

from kneebundle.evaluation.landmarks import Comparison
from kneebundle.evaluation.network_report import format_networks, write_networks


def comparison(error: float) -> Comparison:
    errors = np.full((4, 16), error)
    errors[3] = np.inf
    return Comparison(
        images=("a.png", "b.png", "c.png", "d.png"),
        sides=("R",) * 4,
        grades=("0", "1", "2", "3"),
        errors=errors,
        fitted=errors / 2,
        confidence=np.full((4, 16), 0.5),
        points_mm=np.zeros((4, 16, 2)),
        labels_mm=np.zeros((4, 16, 2)),
        readings_mm=np.full((4, 16), np.nan),
        unused=0,
    )


def test_a_row_a_network_over_the_chosen_images_alone(tmp_path: Path) -> None:
    networks = {"SCN": comparison(1.2), "U-Net": comparison(2.2)}
    some = {name: full.select({"a.png", "c.png", "d.png"}) for name, full in networks.items()}
    rows = format_networks(some).splitlines()[2:]
    assert rows[0] == "| SCN | 3 | 1 | 0.0 / 66.7 / 66.7 / 66.7 | 66.7 / 66.7 / 66.7 / 66.7 | 33.3 | 1.20 | 1.20 |"
    assert rows[1].startswith("| U-Net | 3 | 1 | 0.0 / 0.0 / 0.0 / 66.7 |")
    write_networks(some, tmp_path)
    assert (tmp_path / "networks.md").read_text().splitlines()[2:] == rows
    assert len((tmp_path / "networks.csv").read_text().splitlines()) == 3
    assert (tmp_path / "curves.png").is_file()
