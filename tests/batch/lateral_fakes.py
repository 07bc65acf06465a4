"""A lateral knee of simple shapes in mm, and a network that knows it exactly."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from monai.data import MetaTensor
from PIL import Image

from kneebundle.landmarks import BONES
from kneebundle.radiograph import Radiograph
from kneebundle.results import ModelInfo

Distance = Callable[[np.ndarray], np.ndarray]

LEVEL_BLUM, RADIUS = 8.0, 4.0
SIZE, SIGMA_PX = 256, 6.0


class DrawnKnee:
    """A femur whose straight posterior cortex is LM1, with the other bones around it.

    ``frame`` is (origin, distal, anterior): the origin is p_tmc, at the distal end of the shaft, p_blum lies 8 mm
    distal of it. The Schoettle point therefore is 4 mm distal and 4 mm anterior of the origin.

    Args:
        center_mm: where the origin lies, (x, y) from the centre of pixel (0, 0).
        tilt_deg: of the shaft against the columns.
        facing: 1: the front looks to the right; -1: to the left.
    """

    def __init__(self, center_mm: tuple[float, float], tilt_deg: float = 7.0, facing: int = 1) -> None:
        tilt = np.deg2rad(tilt_deg)
        self.origin = np.array(center_mm)
        self.distal = np.array([np.sin(tilt), np.cos(tilt)])
        self.anterior = np.array([np.cos(tilt), -np.sin(tilt)]) * facing
        self.schoettle_mm = self.at(RADIUS, RADIUS)
        self.landmarks_mm = np.stack([self.at(LEVEL_BLUM, 12.0), self.origin])

    def at(self, level: float, offset: float) -> np.ndarray:
        return self.origin + level * self.distal + offset * self.anterior

    def _box(self, low: tuple[float, float], high: tuple[float, float]) -> Distance:
        """Negative inside a rectangle of levels and offsets."""

        def distance(points: np.ndarray) -> np.ndarray:
            own = np.stack([(points - self.origin) @ self.distal, (points - self.origin) @ self.anterior], axis=-1)
            return np.maximum(np.array(low) - own, own - np.array(high)).max(axis=-1)

        return distance

    def _disc(self, level: float, offset: float, radius: float) -> Distance:
        center = self.at(level, offset)
        return lambda points: np.linalg.norm(points - center, axis=-1) - radius

    def bones(self) -> dict[str, Distance]:
        """Signed distance in mm to the outline of each bone, negative inside."""
        shaft, condyle = self._box((-90.0, 0.0), (5.0, 28.0)), self._disc(20.0, 16.0, 25.0)
        head, leg = self._box((48.0, -8.0), (66.0, 40.0)), self._box((60.0, 0.0), (110.0, 26.0))
        return {
            "femur": lambda p: np.minimum(shaft(p), condyle(p)),
            "patella": self._disc(10.0, 52.0, 10.0),
            "tibia": lambda p: np.minimum(head(p), leg(p)),
            "fibula": self._box((62.0, -12.0), (110.0, -2.0)),
        }

    def maps(self, points_mm: np.ndarray, sigma_mm: float) -> np.ndarray:
        """(7, H, W) likelihoods at points (H, W, 2); 0.5 lies exactly on the outlines."""
        bones = [np.clip(0.5 - distance(points_mm) / 6.0, 0.0, 1.0) for distance in self.bones().values()]
        peaks = [np.exp(-((points_mm - mark) ** 2).sum(-1) / (2 * sigma_mm**2)) for mark in self.landmarks_mm]
        line = self._box((-85.0, 0.0), (-10.0, 0.0))(points_mm)
        return np.stack([*bones, *peaks, np.exp(-(line**2) / (2 * sigma_mm**2))]).astype(np.float32)


class ExactModel:
    """Answers 256 x 256 maps of a drawn knee over the square that holds the film, whatever the film's pixels are."""

    info = ModelInfo("knee_surgical_planning", "0.0", "ab" * 32)

    def __init__(self, knee: DrawnKnee | None) -> None:
        self.knee = knee
        self.asked = 0

    def predict_maps(self, image: MetaTensor) -> MetaTensor:
        self.asked += 1
        steps = np.diag(np.asarray(image.affine, dtype=np.float64))[:2]
        field = steps * image.shape[1:]
        spacing = float(field.max()) / SIZE
        start = (field - steps) / 2 - spacing * (SIZE - 1) / 2
        rows, columns = (start[axis] + spacing * np.arange(SIZE) for axis in (0, 1))
        points = np.stack(np.meshgrid(columns, rows), axis=-1)
        affine = np.diag([spacing, spacing, 1.0, 1.0])
        affine[:2, 3] = start
        shape = (len(BONES) + 3, SIZE, SIZE)
        values = np.zeros(shape, np.float32) if self.knee is None else self.knee.maps(points, SIGMA_PX * spacing)
        return MetaTensor(torch.from_numpy(values), affine=torch.from_numpy(affine))


def film(
    rows: int, columns: int, spacing_mm: tuple[float, float], sphere_mm: tuple[float, float] | None = None
) -> Radiograph:
    """Grey noise of that size, with a steel ball of 30 mm if its centre (x, y) is given; the bones are not drawn."""
    noise = np.random.default_rng(0).normal(80.0, 2.0, (rows, columns))
    if sphere_mm is not None:
        y, x = np.mgrid[:rows, :columns]
        away = np.hypot(x * spacing_mm[1] - sphere_mm[0], y * spacing_mm[0] - sphere_mm[1])
        chord = 2.0 * np.sqrt(np.maximum(15.0**2 - away**2, 0.0))
        noise += 120.0 * (1.0 - np.exp(-0.5 * chord))
    return Radiograph(np.rint(noise), spacing_mm, "film", "PixelSpacing", view="lateral")


def write_film(path: Path, radiograph: Radiograph) -> Path:
    """The film as an 8-bit PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.clip(radiograph.pixels, 0, 255).astype(np.uint8)).save(path)
    return path
