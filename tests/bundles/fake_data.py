"""Drawn images with labels for every bundle, few and small: the fake data of a Model Zoo unit test."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kneebundle.phantoms.hand import write_hand_samples
from kneebundle.phantoms.lateral import synthesize_lateral
from kneebundle.phantoms.pa import synthesize_knees

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
    synthesize_knees(folder, count=5, seed=1, size_mm=100.0, spacing_mm=0.6)
    images = folder / "others"
    if bundle == "knee_roi_localization":
        images.mkdir()
        shutil.copy(SAMPLES / "films" / "film_0.dcm", images)
    else:
        synthesize_knees(images, count=2, seed=2, size_mm=100.0, spacing_mm=0.6)
    return FakeData(folder, images)
