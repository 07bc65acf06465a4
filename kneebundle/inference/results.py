"""What the pipeline answers for one radiograph."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from kneebundle.landmarks import Landmarks
from kneebundle.radiograph import Radiograph, Side

__all__ = ["KneeResult", "ModelInfo", "RadiographResult"]


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
