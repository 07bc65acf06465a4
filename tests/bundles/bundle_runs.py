"""What the tests of bundles share: their names, settings for a training of seconds, and how one is started."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monai.bundle import run

from kneebundle.zoo.unit_tests import SMALL_SETTINGS


@dataclass(frozen=True)
class Bundle:
    """A bundle as the tests see it.

    Attributes:
        small: overrides of train.json for a training of seconds.
        evaluated: files that an evaluation writes.
    """

    small: dict[str, Any]
    evaluated: tuple[str, ...] = ("metrics.csv", "cumulative_error.png")


BUNDLES = {
    name: Bundle(small, ("metrics.csv",)) if name == "knee_quality_check" else Bundle(small)
    for name, small in SMALL_SETTINGS.items()
}

WITHOUT_TRAINING = ("knee_landmark_rfrv",)
"""Bundles that only predict: nothing of them is trained by gradients, and no train.json says how. Each has a test of
its own for what it promises."""


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
