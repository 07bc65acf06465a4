"""The metrics of an evaluation, ready for a MONAI evaluator: a handler a metric, by the name that is logged.

To add one: give the evaluator ``metric_handlers({"name": YourMetric()})``; a metric of landmarks subclasses
:class:`LandmarkMetric`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from monai.handlers import IgniteMetricHandler, from_engine
from monai.metrics import CumulativeIterationMetric

from kneebundle.metrics.correct_keypoints import PCK
from kneebundle.metrics.outliers import OutlierRate
from kneebundle.metrics.radial_error import RadialError

__all__ = ["landmark_metrics", "metric_handlers"]


def metric_handlers(
    metrics: Mapping[str, CumulativeIterationMetric], keys: Sequence[str] = ("pred", "label")
) -> dict[str, IgniteMetricHandler]:
    """Wrap metrics for the arguments ``key_val_metric`` and ``additional_metrics`` of a MONAI evaluator.

    Args:
        metrics: each by the name under which its value is logged.
        keys: of the predictions and of the labels in the evaluator's output.

    Returns:
        A handler for each metric, under the same names and in the same order.

    Example:
        >>> from kneebundle.metrics import PCK, metric_handlers
        >>> list(metric_handlers({"within_2mm_percent": PCK(2.0)}))
        ['within_2mm_percent']
    """
    return {
        name: IgniteMetricHandler(metric_fn=metric, output_transform=from_engine(list(keys)))
        for name, metric in metrics.items()
    }


def landmark_metrics(
    radii_mm: Sequence[float] = (),
    aligned_radii_mm: Sequence[float] = (),
    outliers_mm: float | None = None,
    statistics: Sequence[str] = (),
    landmarks: Sequence[int] | None = None,
) -> dict[str, IgniteMetricHandler]:
    """Make the metrics of KNEEL section 4.3 for an evaluator whose output has points in mm under pred and label.

    Args:
        radii_mm: ``pck_<radius>mm`` for each, the percentage of correct keypoints (:class:`PCK`).
        aligned_radii_mm: ``aligned_pck_<radius>mm`` for each, the same after the best scale and shift of each image.
        outliers_mm: ``outliers_percent``, the percentage of images with a landmark farther off (:class:`OutlierRate`).
        statistics: ``<statistic>_error_mm`` for each, over all landmarks (:class:`RadialError`).
        landmarks: ids that PCK counts; None: all.

    Returns:
        A handler for each metric, by name, in the order of the arguments.

    Example:
        >>> from kneebundle.metrics import landmark_metrics
        >>> list(landmark_metrics([1.0, 1.5], outliers_mm=10.0, statistics=["mean"], landmarks=[0, 8, 9, 15]))
        ['pck_1mm', 'pck_1.5mm', 'outliers_percent', 'mean_error_mm']
    """
    metrics: dict[str, CumulativeIterationMetric] = {f"pck_{radius:g}mm": PCK(radius, landmarks) for radius in radii_mm}
    metrics |= {f"aligned_pck_{radius:g}mm": PCK(radius, landmarks, aligned=True) for radius in aligned_radii_mm}
    if outliers_mm is not None:
        metrics["outliers_percent"] = OutlierRate(outliers_mm)
    metrics |= {f"{statistic}_error_mm": RadialError(statistic) for statistic in statistics}
    return metric_handlers(metrics)
