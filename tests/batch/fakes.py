"""A pipeline without networks: its landmarks are a function of the pixels alone."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from kneebundle.errors import KneeBundleError
from kneebundle.landmarks import Landmarks
from kneebundle.measurements.measurement import Measurement
from kneebundle.radiograph import Radiograph
from kneebundle.results import Flag, KneeResult, ModelInfo, RadiographResult


class FakePipeline:
    """Predicts points that depend on the mean grey value; an error below 10 and for 250 and above, where it raises."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.seen: list[str] = []
        self.batches: list[int] = []
        self.stop_after = stop_after

    def predict_batch(self, radiographs: Sequence[Radiograph]) -> list[RadiographResult | KneeBundleError]:
        if self.stop_after is not None and len(self.batches) >= self.stop_after:
            raise KeyboardInterrupt
        if any(r.pixels.mean() >= 250 for r in radiographs):
            raise ZeroDivisionError("the network\nfailed")
        self.seen += [r.path for r in radiographs]
        self.batches.append(len(radiographs))
        return [self.predict_one(r) for r in radiographs]

    def predict_one(self, radiograph: Radiograph) -> RadiographResult | KneeBundleError:
        mean = float(radiograph.pixels.mean())
        if mean < 10:
            return KneeBundleError("no knee was found; give a knee radiograph", radiograph.path)
        x = np.array([*range(2, 29, 3), *range(2, 29, 4)], dtype=float)
        y = np.array([20.0] * 9 + [15.0] * 7) + mean / 100
        landmarks = Landmarks(np.stack([x, y], axis=1), "px", confidence=np.linspace(0.5, 1, 16))
        flags = (Flag("low_confidence", "a dark radiograph"),) if mean < 30 else ()
        width = Measurement("tibial_plateau_width", 12.0, "mm", None, (), "landmarks", "")
        knee = KneeResult(
            radiograph.side or "R", (16.0, 18.0), 140.0, landmarks, flags, measurements={width.name: width}
        )
        return RadiographResult(radiograph, (knee,), (ModelInfo("fake", "1.0", "0" * 64),))


def write_picture(path: Path, grey: int) -> Path:
    """A 40 x 40 PNG of about one grey value."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((40, 40), grey, dtype=np.uint8)
    pixels[0, :2] = [max(grey - 1, 0), min(grey + 1, 255)]
    Image.fromarray(pixels).save(path)
    return path


class DeadlyPipeline(FakePipeline):
    """Kills its own process over an image of this grey value: always, or only until a file is there, which it makes."""

    def __init__(self, grey: int, once: Path | None = None) -> None:
        super().__init__()
        self.grey = grey
        self.once = once

    def predict_batch(self, radiographs: Sequence[Radiograph]) -> list[RadiographResult | KneeBundleError]:
        deadly = any(round(float(r.pixels.mean())) == self.grey for r in radiographs)
        if deadly and (self.once is None or not self.once.exists()):
            if self.once is not None:
                self.once.touch()
            self.die()
        return super().predict_batch(radiographs)

    def die(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)
