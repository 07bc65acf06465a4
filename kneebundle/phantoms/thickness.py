"""How thick a rounded body is where a ray goes through it."""

from __future__ import annotations

import numpy as np

__all__ = ["round_thickness"]


def round_thickness(depth: np.ndarray, radius: float) -> np.ndarray:
    """Thickness of a body with a round edge, 0 at the edge and outside, 1 from ``radius`` inside it on.

    Args:
        depth: distance from the edge, positive inside.
        radius: in the same unit.

    Returns:
        The shape of ``depth``.
    """
    return np.sqrt(1 - (1 - np.clip(depth / radius, 0, 1)) ** 2)
