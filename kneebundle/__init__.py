"""Anatomy in plain knee radiographs: landmarks, regions and measurements, by MONAI bundles.

    from kneebundle import KneePipeline
    result = KneePipeline.from_bundles().predict("knee.dcm")

``import kneebundle`` is quick: torch and MONAI are loaded when one of the names below is first used.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from kneebundle.errors import KneeBundleError

if TYPE_CHECKING:
    from kneebundle.landmarks import Landmarks
    from kneebundle.pipelines.knee_pa import KneePipeline
    from kneebundle.pipelines.lateral import LateralPipeline
    from kneebundle.radiograph import Radiograph

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # ONNX Runtime would tell Microsoft of each network that it runs

__version__ = "0.2.0"

__all__ = ["KneeBundleError", "KneePipeline", "Landmarks", "LateralPipeline", "Radiograph", "__version__"]

_LAZY = {
    "KneePipeline": "kneebundle.pipelines.knee_pa",
    "Landmarks": "kneebundle.landmarks",
    "LateralPipeline": "kneebundle.pipelines.lateral",
    "Radiograph": "kneebundle.radiograph",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
