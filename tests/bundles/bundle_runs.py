"""What the tests of bundles share: their names, settings for a training of seconds, and how one is started."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monai.bundle import run

SMALL = {"num_workers": 0, "batch_size": 2, "phantom_size": 4, "max_epochs": 1, "precision": None}


@dataclass(frozen=True)
class Bundle:
    """A bundle as the tests see it.

    Attributes:
        small: overrides of train.json for a training of seconds.
        evaluated: files that an evaluation writes.
    """

    small: dict[str, Any]
    evaluated: tuple[str, ...] = ("metrics.csv", "cumulative_error.png")


_NARROW = {**SMALL, "network_def#width": 4}

BUNDLES = {
    # pixels as coarse as the network's poolings allow
    "knee_landmark_localization": Bundle({**_NARROW, "spacing_mm": 0.45}),
    "knee_roi_localization": Bundle({**_NARROW, "film_count": 4}),
    # 140 mm are 64 pixels
    "knee_landmark_scn": Bundle({**SMALL, "features": 4, "spacing_mm": 2.1875}),
    "hand_landmark_scn": Bundle(
        {**SMALL, "features": 4, "spatial_features": 4, "image_size": [96, 64], "epoch_size": 4}
    ),
    "knee_surgical_planning": Bundle(
        {
            **SMALL,
            "input_px": 64,
            "network_def#stages": 2,
            "network_def#c1": 4,
            "network_def#c2": 8,
            "network_def#channels": 8,
            "network_def#depth": 2,
        },
    ),
    "knee_quality_check": Bundle({**SMALL, "phantom_size": 32}, ("metrics.csv",)),
    "knee_parts_registration": Bundle({**SMALL, "levels": 1, "stages": [[14, 3, 1]]}),
}


def config(bundle: Path, name: str) -> dict[str, Any]:
    """One of the configuration files of a bundle."""
    content: dict[str, Any] = json.loads((bundle / "configs" / name).read_text())
    return content


def small_inference(bundle: Path) -> dict[str, Any]:
    """Overrides of inference.json for weights that were trained with the small settings."""
    known = config(bundle, "inference.json")
    return {key: value for key, value in BUNDLES[bundle.name].small.items() if key.split("#")[0] in known}


def read_metrics(folder: Path) -> dict[str, float]:
    """The metrics.csv of an evaluation."""
    with (folder / "metrics.csv").open(newline="") as file:
        return {name: float(value) for name, value in csv.reader(file)}


def start(bundle: Path, run_id: str, files: list[str], **overrides: Any) -> None:
    """What ``python -m monai.bundle run`` does."""
    run(
        run_id=run_id,
        config_file=[str(bundle / "configs" / f) for f in files],
        meta_file=str(bundle / "configs" / "metadata.json"),
        bundle_root=str(bundle),
        **overrides,
    )
