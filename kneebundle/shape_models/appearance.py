"""What the classical rivals in KNEEL's Table 1 see of an image: gradient orientations, and local binary patterns."""

from __future__ import annotations

import warnings

import numpy as np
from scipy import ndimage

from kneebundle.errors import KneeBundleError

__all__ = ["CHANNELS", "FEATURES", "describe_pixels"]

CHANNELS = {"igo": 2, "lbp": 10}
"""How many numbers describe a pixel."""

FEATURES = tuple(CHANNELS)
"""``igo``: cosine and sine of the gradient's direction (Tzimiropoulos, Zafeiriou and Pantic 2012); ``lbp``: the ten
uniform local binary patterns of eight neighbours (Ojala, Pietikainen and Maenpaa 2002)."""

_GREYS = 40.0
_MIDDLE = 128.0


def describe_pixels(pixels: np.ndarray, features: str) -> np.ndarray:
    """Describe each pixel, with scikit-image.

    Args:
        pixels: (H, W) of :func:`kneebundle.shape_models.even_contrast`.
        features: one of :data:`FEATURES`.

    Returns:
        (H, W, C) float32.

    Raises:
        KneeBundleError: for other features.

    Example:
        >>> slope = np.tile(np.linspace(-1, 1, 9), (9, 1))
        >>> describe_pixels(slope, "igo")[4, 4].round().tolist(), describe_pixels(slope, "lbp").shape
        ([1.0, 0.0], (9, 9, 10))
    """
    if features == "igo":
        from skimage.filters import scharr_h, scharr_v

        smooth = ndimage.gaussian_filter(pixels.astype(np.float32), 1.0)
        down, right = scharr_h(smooth), scharr_v(smooth)
        length = np.hypot(down, right) + 0.02
        return np.stack([right / length, down / length], axis=-1).astype(np.float32)
    if features != "lbp":
        raise KneeBundleError(f"features are {' or '.join(FEATURES)}, got {features!r}", field="features")
    from skimage.feature import local_binary_pattern

    greys = np.clip(np.rint(pixels * _GREYS + _MIDDLE), 0, 255).astype(np.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        codes = local_binary_pattern(greys, 8, 1.5, method="uniform").astype(np.int64)
    shares = np.eye(CHANNELS["lbp"], dtype=np.float32)[codes]
    return ndimage.gaussian_filter(shares, (1.0, 1.0, 0.0), truncate=2.0)
