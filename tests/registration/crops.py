"""A picture to register, and the result of a made-up registration of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from kneebundle.radiograph import Radiograph
from kneebundle.registration.result import RegistrationResult, find_image_frame, make_registration_result
from kneebundle.transforms.mirror import MirrorLeftd
from kneebundle.transforms.similarity import FitToSquared

THETA = [0.8, 0.1, -0.2, 0.05]


def picture(rows: int = 60, columns: int = 60) -> np.ndarray:
    return np.add.outer(np.arange(rows) * 2.0, np.arange(columns)).astype(np.float32)


def register_by_theta(radiograph: Radiograph, side: str = "R", registered: bool = True) -> RegistrationResult:
    """What a registration that finds THETA gives for a radiograph."""
    found = {
        "theta": torch.tensor(THETA),
        "energy": torch.tensor(-1.5),
        "agreement": torch.full((9,), 0.5),
        "registered": torch.tensor(registered),
        "seconds": torch.tensor(0.1),
    }
    film = radiograph.to_metatensor()
    data: dict[Any, Any] = {"image": film, "side": side}
    for step in (FitToSquared("image", 48), MirrorLeftd("image")):
        data = step(data)
    image: Any = torch.nan_to_num(data["image"]) / 200
    return make_registration_result(image, find_image_frame(film, radiograph), side, radiograph.path, found)
