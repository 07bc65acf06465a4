"""The shape of the 16 knee landmarks: a mean, its modes, and where the knees of each grade lie among them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from kneebundle.errors import KneeBundleError
from kneebundle.landmarks import KNEE_PA

__all__ = ["GRADES", "ShapeModel", "fit_shape_model", "load_shape_model"]

GRADES = 5
_SHIPPED = Path(__file__).with_name("knee_shape.json")
_SCORE_LIMIT = 2.5  # standard deviations; beyond it nobody annotated a knee


@dataclass(frozen=True)
class ShapeModel:
    """Principal components of landmark positions in mm, for a right knee, landmark 4 at the origin.

    Only the translation was removed before the analysis: size and rotation are part of the shape.

    Attributes:
        mean: (16, 2) mm.
        modes: (K, 32) orthonormal rows, ordered x0, y0, x1, ...
        grade_mean: (5, K) mean scores in mm of each Kellgren-Lawrence grade.
        grade_scatter: (5, K, K) lower Cholesky factor of the scores' covariance in each grade.
    """

    mean: np.ndarray
    modes: np.ndarray
    grade_mean: np.ndarray
    grade_scatter: np.ndarray

    def points(self, scores: np.ndarray) -> np.ndarray:
        """Compute the (16, 2) points in mm of a score vector (K,)."""
        return self.mean + (scores @ self.modes).reshape(-1, 2)

    def scores(self, points_mm: np.ndarray) -> np.ndarray:
        """Compute the (K,) scores of (16, 2) points in mm, right knee, any origin."""
        return self.modes @ (points_mm - points_mm[KNEE_PA.center] - self.mean).ravel()

    def draw(self, rng: np.random.Generator, kl: int, min_gap_mm: float = 0.3) -> np.ndarray:
        """Draw a random knee of grade ``kl``: (16, 2) points in mm, landmark 4 at the origin.

        Knees whose femur comes nearer than ``min_gap_mm`` to the tibia anywhere are drawn again.

        Raises:
            KneeBundleError: if ``kl`` is not 0 to 4.
        """
        if kl not in range(GRADES):
            raise KneeBundleError(f"the Kellgren-Lawrence grade is {kl}; it must be 0, 1, 2, 3 or 4")
        while True:
            spread = np.clip(rng.standard_normal(len(self.modes)), -_SCORE_LIMIT, _SCORE_LIMIT)
            points = self.points(self.grade_mean[kl] + self.grade_scatter[kl] @ spread)
            points -= points[KNEE_PA.center]
            if _is_plausible(points, min_gap_mm):
                return points

    def to_json(self) -> str:
        """Write the model as a JSON text, numbers rounded to 0.0001."""
        fields = {name: np.round(getattr(self, name), 4).tolist() for name in self.__dataclass_fields__}
        note = "Fitted by scripts/fit_shape_model to KNEEL's 748 annotations (Tiulpin et al., ICCVW 2019)."
        return json.dumps({"source": note, **fields}, separators=(",", ":")) + "\n"


def _is_plausible(points: np.ndarray, min_gap_mm: float) -> bool:
    tibia, femur = points[:9], points[9:]
    ordered = bool((np.diff(tibia[:, 0]) > 1.5).all() and (np.diff(femur[:, 0]) > 1.5).all())
    return ordered and bool((np.interp(femur[:, 0], tibia[:, 0], tibia[:, 1]) - femur[:, 1] > min_gap_mm).all())


def fit_shape_model(points_mm: np.ndarray, grades: np.ndarray, modes: int = 16) -> ShapeModel:
    """Fit the model to (M, 16, 2) points in mm of right (or mirrored left) knees with their grades (M,), 0 to 4."""
    centred = (points_mm - points_mm[:, KNEE_PA.center : KNEE_PA.center + 1]).reshape(len(points_mm), -1)
    mean = centred.mean(0)
    axes = np.linalg.svd(centred - mean, full_matrices=False)[2][:modes]
    axes = axes * np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(1)])[:, None]
    scores = (centred - mean) @ axes.T
    of_grade = [scores[grades == kl] for kl in range(GRADES)]
    return ShapeModel(
        mean=mean.reshape(-1, 2),
        modes=axes,
        grade_mean=np.stack([s.mean(0) for s in of_grade]),
        grade_scatter=np.stack([np.linalg.cholesky(np.cov(s.T)) for s in of_grade]),
    )


@lru_cache(maxsize=1)
def load_shape_model(path: Path = _SHIPPED) -> ShapeModel:
    """Load a model, by default the shipped one."""
    numbers = json.loads(path.read_text(encoding="utf-8"))
    return ShapeModel(**{name: np.array(numbers[name]) for name in ShapeModel.__dataclass_fields__})
