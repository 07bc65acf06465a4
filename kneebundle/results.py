"""What a prediction is: the knees of a radiograph from the front, or the plan on a lateral one; flags, models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kneebundle.landmarks import Landmarks
from kneebundle.measurements.calibration_sphere import Sphere
from kneebundle.measurements.measurement import Measurement
from kneebundle.measurements.schoettle import SchoettlePlan
from kneebundle.radiograph import Radiograph, Side

__all__ = ["FLAG_CODES", "Flag", "KneeResult", "LateralResult", "ModelInfo", "Prediction", "RadiographResult"]

FLAG_CODES: Mapping[str, str] = {
    "implant": "The knee has a replacement, total or partial; there are no landmarks.",
    "not_a_knee": "No knee joint from the front was found where one should be; there are no landmarks.",
    "cut_off": "Landmarks lie beyond the border of the image, where nothing can be seen; they are left out.",
    "low_confidence": "The network is too unsure of the landmarks; they are left out.",
    "implausible": "The landmarks do not lie as those of a knee do, or lie beside the joint; they are left out.",
    "turned": "The knee lies on its side or stands on its head; there are no landmarks.",
    "side_guessed": "Nobody said which side the knee is, and the image leaves a doubt.",
    "side_contradiction": "The knee looks like one of the other side than it is taken for.",
    "view_contradiction": "The radiograph shows both knees where one was asked for.",
    "spacing_from_sphere": "The measuring sphere and the file give different pixel sizes; the sphere is believed.",
    "sphere_contradicts_spacing": "The sphere and the file give pixel sizes too far apart; the file is believed.",
}
"""What each code of a :class:`Flag` means. Codes are stable: programs may rely on them, docs/flags.md lists them."""


@dataclass(frozen=True)
class Flag:
    """A reason to distrust a result.

    Attributes:
        code: one of :data:`FLAG_CODES`, for programs.
        message: one line, for people.
        score: what was measured; None where there is no number.
        threshold: what the score was compared with.

    Raises:
        ValueError: for a code that is not listed.

    Example:
        >>> from kneebundle.results import Flag
        >>> flag = Flag("cut_off", "2 landmarks lie outside")
        >>> flag.code, str(flag)
        ('cut_off', '2 landmarks lie outside')
    """

    code: str
    message: str
    score: float | None = None
    threshold: float | None = None

    def __post_init__(self) -> None:
        if self.code not in FLAG_CODES:
            raise ValueError(f"the code of a flag is one of {', '.join(FLAG_CODES)}, got {self.code!r}")

    def __str__(self) -> str:
        return self.message


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
        center_px: centre of the region of interest in pixels of the radiograph, (x, y).
        roi_mm: edge of that region.
        landmarks: the points in pixels of the radiograph, with confidence; None where the knee could not be measured.
        flags: reasons to distrust the knee; empty: none.
        scores: what the checks measured, by name (docs/quality.md).
        measurements: what was measured on the knee, by name (docs/measurements.md); empty where there are no landmarks.

    Example:
        >>> from kneebundle.results import Flag, KneeResult
        >>> knee = KneeResult("L", (420.0, 310.0), 140.0, None, (Flag("implant", "a knee replacement"),))
        >>> [flag.code for flag in knee.flags]
        ['implant']
    """

    side: Side
    center_px: tuple[float, float]
    roi_mm: float
    landmarks: Landmarks | None
    flags: tuple[Flag, ...] = ()
    scores: Mapping[str, float] = field(default_factory=dict)
    measurements: Mapping[str, Measurement] = field(default_factory=dict)


@dataclass(frozen=True)
class RadiographResult:
    """All knees of a radiograph from the front.

    Attributes:
        radiograph: the image with its spacing and identity.
        knees: the knees found, right one first.
        models: the networks that took part.
        flags: reasons to distrust the whole radiograph; empty: none.
        extra: further top-level keys of the JSON file.
    """

    radiograph: Radiograph
    knees: tuple[KneeResult, ...]
    models: tuple[ModelInfo, ...] = ()
    flags: tuple[Flag, ...] = ()
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def flagged(self) -> bool:
        """Whether the radiograph or one of its knees has a flag."""
        return bool(self.flags or any(knee.flags for knee in self.knees))


@dataclass(frozen=True)
class LateralResult:
    """What was found on a lateral radiograph. All points are in pixels of the radiograph as displayed.

    Attributes:
        radiograph: the image; its spacing is that of the measuring sphere, where one was found and believed.
        masks: for each bone (rows, columns) bool; all False for a bone that was not found.
        landmarks: ``p_blum`` and ``p_tmc``, not finite where one was not found; None where nothing was looked for.
        plan: the lines and the Schoettle point, or why there is none.
        sphere: the measuring sphere, if one was found.
        models: the networks that took part.
        flags: reasons to distrust the result; empty: none.
    """

    radiograph: Radiograph
    masks: Mapping[str, np.ndarray]
    landmarks: Landmarks | None
    plan: SchoettlePlan
    sphere: Sphere | None = None
    models: tuple[ModelInfo, ...] = ()
    flags: tuple[Flag, ...] = ()

    @property
    def flagged(self) -> bool:
        """Whether there is a flag, or no plan."""
        return bool(self.flags or self.plan.refused)

    @property
    def bones(self) -> tuple[str, ...]:
        """Names of the bones that were found."""
        return tuple(bone for bone, mask in self.masks.items() if mask.any())


Prediction = RadiographResult | LateralResult
"""What a pipeline finds on one radiograph."""
