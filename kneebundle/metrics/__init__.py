"""Metrics for landmarks: MONAI metrics for training, and the same as functions on arrays for evaluation.

To add one: subclass :class:`LandmarkMetric` and override ``summarize``, errors (K, N) in mm to one number.
"""

from kneebundle.metrics.base import LandmarkMetric
from kneebundle.metrics.correct_keypoints import PCK
from kneebundle.metrics.functional import cumulative_curve, fit_scale_shift, outlier_rate, pck, radial_errors
from kneebundle.metrics.outliers import OutlierRate
from kneebundle.metrics.radial_error import RadialError

__all__ = [
    "PCK",
    "LandmarkMetric",
    "OutlierRate",
    "RadialError",
    "cumulative_curve",
    "fit_scale_shift",
    "outlier_rate",
    "pck",
    "radial_errors",
]
