"""Drawn lateral films of the knee with exact masks, landmarks and cortex line."""

from __future__ import annotations

import numpy as np

from kneebundle.errors import KneeBundleError
from kneebundle.measurements.calibration_sphere import Sphere
from kneebundle.phantoms.lateral.attenuation import find_tissues
from kneebundle.phantoms.lateral.bone_attenuation import draw_spongy_bone
from kneebundle.phantoms.lateral.exposure import detect, display, draw_collimation
from kneebundle.phantoms.lateral.extras import (
    add_letters,
    draw_fabella,
    draw_screw,
    draw_sphere,
    place_sphere,
)
from kneebundle.phantoms.lateral.knee import Facing, LateralKnee
from kneebundle.phantoms.lateral.rays import Shadow, View, cast
from kneebundle.phantoms.lateral.scene import Scene, draw_scene, draw_view
from kneebundle.phantoms.lateral.soft_tissue import draw_soft_tissue
from kneebundle.phantoms.lateral.truth import find_blumensaat_point, find_cortex_points, find_transition_point

__all__ = ["draw_lateral_knee"]

_MOST_ROWS = 4096


def draw_lateral_knee(
    rng: np.random.Generator,
    size_px: int = 256,
    spacing_mm: float | None = None,
    *,
    flexion_deg: float | None = None,
    rotation_deg: tuple[float, float] | None = None,
    sphere: bool | None = None,
    facing: Facing | None = None,
) -> LateralKnee:
    """Draw a lateral film of a knee.

    Four bones of random size and shape (`sizes`) are put together in a random pose, a diverging beam goes through
    cortex, spongy bone, muscle and fat (Beer-Lambert), and the film gets scatter, blur, noise, processing, shutters,
    letters and now and then a measuring sphere, a fabella or a screw. What is None is drawn.

    Args:
        rng: the only source of randomness: the same state gives the same film.
        size_px: height of the film in pixels, at least 128; its width is 0.6 to 1 of that.
        spacing_mm: size of a pixel, so that the film is 140 to 400 mm high; None: a film of 165 to 250 mm.
        flexion_deg: of the knee, 0 to 70.
        rotation_deg: turn and lean off the true lateral view (see ``LateralKnee``), -15 to 15 each.
        sphere: whether there is a measuring sphere of 30 mm; there is none where it does not find room.
        facing: which way the knee's front looks.

    Raises:
        KneeBundleError: on a size, spacing or pose that cannot be drawn.
    """
    _check(size_px, spacing_mm, flexion_deg, rotation_deg)
    view = draw_view(rng, size_px, spacing_mm)
    flexion = float(rng.triangular(0, 28, 62)) if flexion_deg is None else float(flexion_deg)
    turn, lean = _draw_rotation(rng) if rotation_deg is None else rotation_deg
    scene = draw_scene(rng, view, flexion, turn, lean)
    shadows = [cast(solid, pose, view) for solid, pose in scene.bones]
    light = draw_collimation(view, view.to_px(scene.femur_pose.shift[None])[0], rng)
    masks = np.stack([shadow.mask for shadow in shadows]) & (light > 0.5)
    with_sphere = rng.random() < 0.3 if sphere is None else sphere
    ball = place_sphere(view, masks.any(0) | (light <= 0.5), rng) if with_sphere else None
    grey = _film(scene, shadows, view, light, ball, rng)
    transition, along = find_transition_point(scene, view)
    landmarks = np.stack([find_blumensaat_point(scene, view), transition])
    line = find_cortex_points(scene, view, shadows[0], along, light > 0.5)
    left = rng.random() < 0.5 if facing is None else facing == "left"
    knee = LateralKnee(
        np.rint(grey * 255), view.spacing_mm, masks, landmarks, line, "right", flexion, (turn, lean), ball
    )
    return _mirrored(knee) if left else knee


def _check(
    size_px: int, spacing_mm: float | None, flexion_deg: float | None, rotation_deg: tuple[float, float] | None
) -> None:
    if size_px < 128:
        raise KneeBundleError(f"the film's size is {size_px} pixels; a lateral knee needs at least 128")
    if size_px > _MOST_ROWS:
        raise KneeBundleError(
            f"the film's size is {size_px} pixels; lateral knees are drawn with at most {_MOST_ROWS}",
            field="drawn_size",
        )
    if spacing_mm is not None and not 140 <= size_px * spacing_mm <= 400:
        raise KneeBundleError(
            f"{size_px} pixels of {spacing_mm} mm make a film of {size_px * spacing_mm:.0f} mm; choose 140 to 400 mm"
        )
    if flexion_deg is not None and not 0 <= flexion_deg <= 70:
        raise KneeBundleError(f"the flexion is {flexion_deg} degrees; choose 0 to 70")
    if rotation_deg is not None and not all(-15 <= angle <= 15 for angle in rotation_deg):
        raise KneeBundleError(f"the rotation is {rotation_deg} degrees; choose -15 to 15 each")


def _draw_rotation(rng: np.random.Generator) -> tuple[float, float]:
    """Three films in five are lateral to a few degrees, the others off by up to 10 (turn) and 5 degrees (lean)."""
    if rng.random() < 0.6:
        return float(np.clip(rng.normal(0, 2), -10, 10)), float(np.clip(rng.normal(0, 1.5), -5, 5))
    return float(rng.uniform(-10, 10)), float(rng.uniform(-5, 5))


def _film(
    scene: Scene,
    shadows: list[Shadow],
    view: View,
    light: np.ndarray,
    ball: Sphere | None,
    rng: np.random.Generator,
) -> np.ndarray:
    """(rows, columns) grey from 0 to 1."""
    tissue = find_tissues(rng.uniform(38, 52))
    total = draw_soft_tissue(scene, view, tissue, rng) + draw_spongy_bone(scene, shadows, view, tissue, rng)
    if rng.random() < 0.2:
        total += draw_fabella(scene, view, tissue, rng)
    if rng.random() < 0.08:
        total += draw_screw(scene, view, rng)
    if ball is not None:
        total += draw_sphere(ball, view)
    bone = np.max([shadow.mask for shadow in shadows], axis=0)
    grey = display(detect(total, view, rng), view, bone, light, rng)
    if rng.random() < 0.5:
        grey = add_letters(grey, bone, view.spacing_mm, rng)
    return np.clip(grey, 0, 1)


def _mirrored(knee: LateralKnee) -> LateralKnee:
    last = knee.image.shape[1] - 1

    def turned(points: np.ndarray) -> np.ndarray:
        return np.stack([last - points[:, 0], points[:, 1]], axis=1)

    ball = knee.sphere
    return LateralKnee(
        np.ascontiguousarray(knee.image[:, ::-1]),
        knee.spacing_mm,
        np.ascontiguousarray(knee.masks[:, :, ::-1]),
        turned(knee.landmarks),
        turned(knee.cortex_line),
        "left",
        knee.flexion_deg,
        knee.rotation_deg,
        None if ball is None else Sphere(last - ball.x, ball.y, ball.radius_px),
    )
