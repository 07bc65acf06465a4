"""What the pipelines answer for one radiograph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kneebundle.landmarks import Landmarks
from kneebundle.measurements.calibration_sphere import Sphere
from kneebundle.measurements.schoettle import SchoettlePlan
from kneebundle.radiograph import Radiograph, Side

__all__ = ["Answer", "KneeResult", "LateralResult", "ModelInfo", "RadiographResult"]


@dataclass(frozen=True)
class ModelInfo:
    """A network that took part: bundle name, version and the sha256 of its weights."""

    bundle: str
    version: str
    sha256: str


@dataclass(frozen=True)
class KneeResult:
    """One knee of a radiograph.

    Attributes:
        side: ``"R"`` or ``"L"``.
        center_px: centre of the region of interest in the radiograph's pixels, (x, y).
        roi_mm: edge of that region.
        landmarks: the points in the radiograph's pixels, with confidence; None where the knee was found but could not be measured.
        flags: reasons to distrust the knee, one line each (cut by the border, arthroplasty, ...); empty: none.
    """

    side: Side
    center_px: tuple[float, float]
    roi_mm: float
    landmarks: Landmarks | None
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class RadiographResult:
    """All knees of a radiograph.

    Attributes:
        radiograph: the image with its spacing and identity.
        knees: the knees found, right one first.
        models: the networks that took part.
        flags: remarks on the whole film (a knee that is missing, ...).
        extra: further top-level keys of the JSON file.
    """

    radiograph: Radiograph
    knees: tuple[KneeResult, ...]
    models: tuple[ModelInfo, ...] = ()
    flags: tuple[str, ...] = ()
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def flagged(self) -> bool:
        """Whether there is a remark on the film or on one of its knees."""
        return bool(self.flags or any(knee.flags for knee in self.knees))


@dataclass(frozen=True)
class LateralResult:
    """What was found on a lateral film. All points are in pixels of the radiograph as displayed.

    Attributes:
        radiograph: the image; its spacing is that of the measuring sphere, where one was found and believed.
        masks: for each bone (rows, columns) bool; of a bone that was not found no pixel is True.
        landmarks: ``p_blum`` and ``p_tmc``, not finite where one was not found; None where nothing was looked for.
        plan: the lines and the Schoettle point, or why there is none.
        sphere: the measuring sphere, if one was found.
        models: the networks that took part.
        flags: reasons to distrust the film, one line each.
    """

    radiograph: Radiograph
    masks: Mapping[str, np.ndarray]
    landmarks: Landmarks | None
    plan: SchoettlePlan
    sphere: Sphere | None = None
    models: tuple[ModelInfo, ...] = ()
    flags: tuple[str, ...] = ()

    @property
    def flagged(self) -> bool:
        """Whether there is a remark on the film, or no plan."""
        return bool(self.flags or self.plan.refused)

    @property
    def bones(self) -> tuple[str, ...]:
        """Names of the bones that were found."""
        return tuple(bone for bone, mask in self.masks.items() if mask.any())


Answer = RadiographResult | LateralResult
"""What a pipeline answers for one radiograph."""
