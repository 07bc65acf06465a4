"""Drawn images with labels for every bundle, few and small: the fake data of a Model Zoo unit test."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from kneebundle.io.tables import write_table
from kneebundle.phantoms.files import write_png
from kneebundle.phantoms.hand import draw_hand, write_hand_samples
from kneebundle.phantoms.lateral import synthesize_lateral
from kneebundle.phantoms.pa import add_replacement, draw_knee, synthesize_knees
from kneebundle.radiograph import Radiograph

SAMPLES = Path(__file__).resolve().parents[2] / "samples"


@dataclass(frozen=True)
class FakeData:
    """Two folders.

    Attributes:
        labelled: what train.json and evaluate.json take.
        images: what inference.json takes.
        inference: what inference.json has to be told besides.
    """

    labelled: Path
    images: Path
    inference: dict[str, Any] = field(default_factory=dict)


def fake_data(bundle: str, folder: Path) -> FakeData:
    """Make the data of a bundle in a folder."""
    if bundle.startswith("hand_"):
        write_hand_samples(folder, count=3)
        return FakeData(folder, folder / "images")
    if bundle == "knee_surgical_planning":
        synthesize_lateral(folder, count=5, size_px=128)
        return FakeData(folder, folder / "images", {"image_spacing_mm": 1.5})
    if bundle == "knee_quality_check":
        _write_check_films(folder)
        return FakeData(folder, SAMPLES / "knees")
    synthesize_knees(folder, count=5, seed=1, size_mm=100.0, spacing_mm=0.6)
    images = folder / "others"
    if bundle == "knee_roi_localization":
        images.mkdir()
        shutil.copy(SAMPLES / "films" / "film_0.dcm", images)
    else:
        synthesize_knees(images, count=2, seed=2, size_mm=100.0, spacing_mm=0.6)
    return FakeData(folder, images)


def _write_check_films(folder: Path) -> None:
    """A native knee, a replaced one and a hand of each of five subjects."""
    (folder / "images").mkdir(parents=True)
    rows = []

    def add(subject: int, radiograph: Radiograph, kind: str, *more: Any) -> None:
        name = f"{subject}_{kind}.png"
        grey = radiograph.pixels - radiograph.pixels.min()
        write_png(folder / "images" / name, grey * (255 / grey.max()))
        rows.append([name, subject, radiograph.spacing_mm[0], kind, *more])

    for subject in range(5):
        rng = np.random.default_rng(subject)
        knee, landmarks = draw_knee(rng, side="R", spacing_mm=0.6)
        x, y = landmarks.points[4]
        add(subject, knee, "native", "R", x, y)
        pixels = knee.pixels / np.percentile(knee.pixels, 95)
        add_replacement(pixels, landmarks.points, 0.6, "total", rng)
        add(subject, Radiograph(pixels, knee.spacing_mm), "implant", "R", x, y)
        add(subject, draw_hand(rng)[0], "none", "", "", "")
    write_table(folder / "films.csv", ("image", "subject_id", "spacing_mm", "kind", "side", "x_px", "y_px"), rows)
