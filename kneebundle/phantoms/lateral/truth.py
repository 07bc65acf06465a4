"""Where the points of the Schoettle construction lie in a drawn film, from the geometry alone.

Kordon 2019, Figure 1, and Schoettle et al., Am J Sports Med 35 (2007): the posterior cortex line, the transition of the
medial condyle and the posterior cortex, the most posterior point of Blumensaat's line.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import ndimage

from kneebundle.phantoms.lateral.rays import Shadow, View, cast
from kneebundle.phantoms.lateral.scene import Scene

__all__ = ["find_blumensaat_point", "find_cortex_points", "find_posterior_edge", "find_transition_point"]

_FROM_CONDYLE = 0.16
"""Distance of p_dist from p_tmc along the shaft, in depths of the condyle."""
_LENGTH = 0.75
"""Distance of p_prox from p_dist, in depths of the condyle, where the film is long enough."""
_STEP_MM = 0.2
_SMOOTH_MM = 1.0


def find_blumensaat_point(scene: Scene, view: View) -> np.ndarray:
    """(2,) px of the posterior end of the notch's roof."""
    return view.to_px(scene.femur_pose(scene.femur.blumensaat_end[None]))[0]


def find_posterior_edge(scene: Scene, view: View, level: np.ndarray, along_mm: np.ndarray) -> np.ndarray:
    """(N, 2) px of the rearmost points of an outline at places along the femur's shaft.

    Args:
        level: (rows, columns) of a shadow, positive inside.
        along_mm: (N,) distal of the condyles' centre along the distal shaft, mm in the plane of the pixel size.

    Returns:
        NaN where the shadow is not met.
    """
    origin, distal, forward = _axes(scene, view)
    across = np.arange(-60.0, 25.0, _STEP_MM)
    mm = origin + along_mm[:, None, None] * distal + across[None, :, None] * forward
    px = mm / view.spacing_mm + (np.array([view.columns, view.rows]) - 1) / 2
    values = ndimage.map_coordinates(level, [px[..., 1], px[..., 0]], order=1, mode="constant", cval=-1e3)
    first = np.argmax(values > 0, axis=1)
    row = np.arange(len(along_mm))
    met = (values > 0).any(axis=1) & (first > 0)
    low, high = values[row, first - 1], values[row, first]
    part = np.where(met, -low / np.where(high > low, high - low, 1), np.nan)
    place = across[first - 1] + part * _STEP_MM
    edge = origin + along_mm[:, None] * distal + place[:, None] * forward
    return edge / view.spacing_mm + (np.array([view.columns, view.rows]) - 1) / 2


def _axes(scene: Scene, view: View) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """In the film's plane, mm: the condyles' centre, the distal and the anterior direction of the distal shaft."""
    back = scene.femur.back
    ends = view.to_mm(view.to_px(scene.femur_pose(np.array([[0.0, 0, 0], [back, -60, 0], [back, -25, 0]]))))
    distal = (ends[2] - ends[1]) / np.linalg.norm(ends[2] - ends[1])
    return ends[0], distal, np.array([distal[1], -distal[0]])


def find_transition_point(scene: Scene, view: View) -> tuple[np.ndarray, float]:
    """Where the outline of shaft and medial condyle (without the lateral one) is most hollow.

    Returns:
        (2,) px, and mm distal of the condyles' centre as in `find_posterior_edge`.
    """
    femur, (origin, _, forward) = scene.femur, _axes(scene, view)
    low, high = femur.solid.box
    medial = replace(
        femur.solid, level=femur.medial_level, box=np.array([[low[0], -60.0, low[2]], [high[0], 5.0, high[2]]])
    )
    shadow = cast(medial, scene.femur_pose, view, (1.0, 2.0))
    meets = -float(np.sqrt(max(femur.radius**2 - femur.back**2, 0)))
    along = np.arange(meets - 22, meets + 10, _STEP_MM)
    edge = find_posterior_edge(scene, view, shadow.level, along)
    depth = (view.to_mm(edge) - origin) @ forward
    sigma = _SMOOTH_MM / _STEP_MM
    slope = ndimage.gaussian_filter1d(depth, sigma, order=1, mode="nearest") / _STEP_MM
    bend = ndimage.gaussian_filter1d(depth, sigma, order=2, mode="nearest") / _STEP_MM**2
    hollow = -bend / (1 + slope**2) ** 1.5
    inner = slice(10, -10)
    best = int(np.nanargmax(hollow[inner])) + 10
    return edge[best], float(along[best])


def find_cortex_points(scene: Scene, view: View, femur: Shadow, transition_mm: float, seen: np.ndarray) -> np.ndarray:
    """(2, 2) px of p_prox and p_dist on the femur's posterior outline.

    Args:
        femur: its shadow.
        transition_mm: second value of :func:`find_transition_point`.
        seen: (rows, columns) bool, the part of the film that was exposed; p_prox comes nearer where it ends.
    """
    depth = scene.sizes.femur_depth
    distal = transition_mm - _FROM_CONDYLE * depth
    along = distal - np.arange(0, _LENGTH * depth, 0.5)
    edge = find_posterior_edge(scene, view, femur.level, along)
    margin = 2.0
    column, row = np.nan_to_num(edge, nan=-1).round().astype(int).T
    inside = (column >= margin) & (row >= margin) & (column < view.columns - margin) & (row < view.rows - margin)
    inside[inside] &= seen[row[inside], column[inside]]
    last = len(inside) if inside.all() else int(np.argmin(inside))
    return np.stack([edge[max(last - 1, 0)], edge[0]])
