"""The flesh around the bones: muscle under fat, tendons, and the fat pads that lateral films show as dark triangles."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from kneebundle.phantoms.lateral.attenuation import Tissues
from kneebundle.phantoms.lateral.rays import View, cast
from kneebundle.phantoms.lateral.scene import Scene
from kneebundle.phantoms.lateral.solids import Points, Profile, Solid, smooth_union, tube

__all__ = ["draw_soft_tissue"]

_STEP_MM = (4.0, 5.0)
_COARSER = 3
"""The flesh is filmed with pixels that much larger."""
_REACH_MM = 260.0


def draw_soft_tissue(scene: Scene, view: View, tissue: Tissues, rng: np.random.Generator) -> np.ndarray:
    """(rows, columns) attenuation of the limb as if it had no bones."""
    coarse = View(view.rows // _COARSER + 3, view.columns // _COARSER + 3, view.spacing_mm * _COARSER, view.source_mm)
    leg = cast(_leg(scene, rng), scene.femur_pose, coarse, _STEP_MM)
    muscle, fat = (_refined(path, coarse, view) for path in (leg.inside_mm, leg.cortex_mm))
    lighter = _fat_pads(scene, view, rng)
    lighter = np.minimum(lighter, 0.8 * muscle)
    muscle, fat = muscle - lighter, fat + lighter
    tendon = np.minimum(_tendons(scene, view, rng), fat)
    return tissue.muscle * (muscle + tendon) + tissue.fat * (fat - tendon)


def _refined(image: np.ndarray, coarse: View, view: View) -> np.ndarray:
    """An image of a coarse film at the pixels of a fine one; the middles of both are the same."""
    lines = [
        ((np.arange(n) - (n - 1) / 2) / _COARSER + (m - 1) / 2)
        for n, m in ((view.rows, coarse.rows), (view.columns, coarse.columns))
    ]
    return ndimage.map_coordinates(image, np.meshgrid(*lines, indexing="ij"), order=1)


def _leg(scene: Scene, rng: np.random.Generator) -> Solid:
    """Thigh, calf and the quadriceps with the patella, in the femur's frame; the cortex of this solid is its fat."""
    to_tibia = scene.tibia_pose.inverse().after(scene.femur_pose)
    s, build = scene.sizes, float(np.clip(rng.normal(1, 0.13), 0.72, 1.4))
    front, back = scene.femur.front, -scene.femur.radius
    along = [-220, -120, -60, -20, 20]
    thigh_front = Profile(along, [front + v * build for v in (60, 46, 30, 14, 0)])
    thigh_back = Profile(along, [back - v * build for v in (50, 44, 36, 28, 24)])
    thigh_width = Profile(along, [v * build for v in (84, 74, 62, 56, 52)])
    d = s.tibia_depth / 2
    below = [-20, 15, 50, 100, 200]
    calf_front = Profile(below, [d + v for v in (0, 4, 4, 3, 1)])
    calf_back = Profile(below, [-d - v * build for v in (26, 32, 40, 44, 28)])
    calf_width = Profile(below, [v * build for v in (52, 52, 54, 55, 44)])
    fat_mm = rng.uniform(3, 9) + 9 * max(build - 0.9, 0)

    rope, skin_mm = _extensor_line(scene), rng.uniform(7, 12)

    def level(p: Points) -> np.ndarray:
        thigh = tube(p, thigh_back(p.y), thigh_front(p.y), thigh_width(p.y))
        thigh = np.minimum(thigh, 30 - p.y)
        q = to_tibia.apply(p)
        calf = tube(q, calf_back(q.y), calf_front(q.y), calf_width(q.y))
        calf = np.minimum(calf, q.y + 30)
        return smooth_union(smooth_union(thigh, calf, 20.0), _rope(p, rope, 0.5 * s.patella[0] + skin_mm), 16.0)

    box = np.array([[-200.0, -_REACH_MM, -90 * build], [150.0, _REACH_MM, 90 * build]])
    return Solid(level, lambda p: np.full_like(p.x, fat_mm), box)


def _extensor_line(scene: Scene) -> np.ndarray:
    """(5, 3) the way of the quadriceps, the patella and its tendon, in the femur's frame."""
    back = scene.femur_pose.inverse()
    middle = -0.1 * scene.patella.thickness
    ends = np.array([[middle, -0.4 * scene.patella.height, 0.0], [middle, 0.4 * scene.patella.height, 0.0]])
    shin = scene.tibia.tuberosity - np.array([11.0, 0, 0])
    low = np.stack([shin, shin + np.array([-6.0, 60, 0])])
    thigh = np.array([[scene.femur.front + 12, -110.0, 0.0]])
    return np.concatenate([thigh, back(scene.patella_pose(ends)), back(scene.tibia_pose(low))])


def _rope(p: Points, line: np.ndarray, radius: float) -> np.ndarray:
    """A tube of round section, twice as wide in z, about a bent line."""
    square = np.full(p.x.shape, np.inf, np.float32)
    for start, end in zip(line[:-1], line[1:], strict=True):
        way = end - start
        part = np.clip(((p.x - start[0]) * way[0] + (p.y - start[1]) * way[1]) / (way[:2] @ way[:2]), 0, 1)
        square = np.minimum(square, (p.x - start[0] - part * way[0]) ** 2 + (p.y - start[1] - part * way[1]) ** 2)
    return np.float32(radius) - np.sqrt(square + 0.2 * p.z * p.z)


def _fat_pads(scene: Scene, view: View, rng: np.random.Generator) -> np.ndarray:
    """Draw mm of fat where one would expect muscle: below and above the patella, and behind the shaft."""
    pole = scene.patella_pose(scene.patella.lower_pole[None])[0]
    tuber = scene.tibia_pose(scene.tibia.tuberosity[None])[0]
    rim = scene.tibia_pose(np.array([[0.35 * scene.sizes.tibia_depth, 0.0, 0.0]]))[0]
    upper = scene.femur_pose(np.array([[scene.femur.front + 6, -48.0, 0.0]]))[0]
    behind = scene.femur_pose(np.array([[scene.femur.back - 12, -42.0, 0.0]]))[0]
    top = scene.femur_pose(np.array([[scene.femur.front + 6, -80.0, 0.0]]))[0]
    up = scene.femur_pose(np.array([[scene.femur.back - 14, -75.0, 0.0]]))[0]
    hoffa = _lens(view, (pole + tuber + rim) / 3, tuber - pole, (0.5, 0.28), 45 * rng.uniform(0.5, 1))
    supra = _lens(view, (upper + top) / 2, top - upper, (0.8, 0.22), 35 * rng.uniform(0.2, 1))
    popliteal = _lens(view, (behind + up) / 2, up - behind, (0.9, 0.3), 45 * rng.uniform(0.2, 1))
    return hoffa + supra + popliteal


def _lens(view: View, center: np.ndarray, along: np.ndarray, half: tuple[float, float], thick_mm: float) -> np.ndarray:
    """Thickness in mm of a soft-edged ellipse, half axes in lengths of ``along``."""
    u, v = view.plane_mm()
    length = float(np.linalg.norm(along[:2]))
    direction = along[:2] / length
    a = (u - center[0]) * direction[0] + (v - center[1]) * direction[1]
    b = (u - center[0]) * direction[1] - (v - center[1]) * direction[0]
    square = (a / (half[0] * length)) ** 2 + (b / (half[1] * length)) ** 2
    return (thick_mm * np.clip(1.2 * (1 - square), 0, 1)).astype(np.float32)


def _tendons(scene: Scene, view: View, rng: np.random.Generator) -> np.ndarray:
    """Draw mm of tendon: from the patella to the tuberosity, and from the patella up the thigh."""
    pole, top = scene.patella_pose(np.array([scene.patella.lower_pole, scene.patella.upper_pole]))
    tuber = scene.tibia_pose(scene.tibia.tuberosity[None])[0]
    thigh = scene.femur_pose(np.array([[scene.femur.front + 22, -110.0, 0.0]]))[0]
    patellar = _band(view, pole, tuber, rng.uniform(2.0, 3.2), rng.uniform(24, 32))
    return np.maximum(patellar, _band(view, top, thigh, rng.uniform(3.0, 4.5), rng.uniform(28, 40)))


def _band(view: View, start: np.ndarray, end: np.ndarray, half_mm: float, wide_mm: float) -> np.ndarray:
    u, v = view.plane_mm()
    way = (end - start)[:2]
    part = np.clip(((u - start[0]) * way[0] + (v - start[1]) * way[1]) / float(way @ way), 0, 1)
    square = (u - start[0] - part * way[0]) ** 2 + (v - start[1] - part * way[1]) ** 2
    return (wide_mm * np.clip(1 - square / half_mm**2, 0, 1) ** 0.5).astype(np.float32)
