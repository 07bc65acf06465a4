"""The metrics of the planning network: masks of the bones, points and the cortex line (Kordon 2019, section 3)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from monai.handlers import IgniteMetricHandler
from monai.metrics import CumulativeIterationMetric, MeanIoU

from kneebundle.landmarks import BONES, CORTEX_LINE
from kneebundle.metrics.factory import metric_handlers
from kneebundle.metrics.radial_error import RadialError
from kneebundle.metrics.surface_mm import HausdorffDistanceMM, SurfaceDistanceMM
from kneebundle.transforms.planning_points import PLANNING_POINTS, select_bone

__all__ = ["planning_metrics"]

_MASKS: dict[str, tuple[str, Callable[[], CumulativeIterationMetric]]] = {
    "iou": ("iou_{bone}", MeanIoU),
    "surface_distance": ("surface_distance_{bone}_mm", lambda: SurfaceDistanceMM(symmetric=True)),
    "hausdorff": ("hausdorff_{bone}_mm", HausdorffDistanceMM),
}


def planning_metrics(masks: Sequence[str] = (), points: Sequence[str] = ()) -> dict[str, IgniteMetricHandler]:
    """Make the metrics of a planning network for an evaluator whose postprocessing is :class:`PlanningPointsd`.

    Args:
        masks: what is measured on the mask of each bone: ``"iou"`` (``iou_femur``, ...), ``"surface_distance"``
            (``surface_distance_femur_mm``, ...) or ``"hausdorff"`` (``hausdorff_femur_mm``, ...).
        points: statistics of the distance from the label, ``"mean"`` or ``"median"``, for each of ``p_blum``,
            ``p_tmc``, the Schoettle point and the cortex line: ``p_blum_median_mm``, ``line_median_mm``, ...

    Returns:
        A handler for each metric, by name: bone after bone, then the points.

    Raises:
        ValueError: for another measure or statistic.

    Example:
        >>> from kneebundle.metrics import planning_metrics
        >>> list(planning_metrics(points=["median"]))
        ['p_blum_median_mm', 'p_tmc_median_mm', 'schoettle_median_mm', 'line_median_mm']
    """
    unknown = sorted(set(masks) - set(_MASKS))
    if unknown:
        raise ValueError(f"a measure of masks is one of {', '.join(_MASKS)}, got {unknown[0]!r}")
    handlers = {}
    for number, bone in enumerate(BONES):
        for name, metric in (_MASKS[measure] for measure in masks):
            handlers[name.format(bone=bone)] = IgniteMetricHandler(
                metric_fn=metric(), output_transform=select_bone(number)
            )
    rows = {name: [PLANNING_POINTS.index(name)] for name in PLANNING_POINTS if name not in CORTEX_LINE}
    rows["line"] = [PLANNING_POINTS.index(name) for name in CORTEX_LINE]
    errors = {f"{n}_{s}_mm": RadialError(s, landmarks=ids) for s in points for n, ids in rows.items()}
    return handlers | metric_handlers(errors, keys=("pred_points", "label_points"))
