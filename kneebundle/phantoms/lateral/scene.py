"""A knee ready to be filmed: its bones, how they stand, and the film they throw their shadows on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kneebundle.phantoms.lateral.femur import Femur
from kneebundle.phantoms.lateral.patella import Patella
from kneebundle.phantoms.lateral.pose import make_film_pose, place_patella, place_tibia
from kneebundle.phantoms.lateral.rays import View
from kneebundle.phantoms.lateral.sizes import KneeSizes, draw_sizes
from kneebundle.phantoms.lateral.solids import Rigid, Solid
from kneebundle.phantoms.lateral.tibia import Fibula, Tibia

__all__ = ["Scene", "build_scene", "draw_scene", "draw_view"]

_SPURS = 0.3
"""Chance that a knee has osteophytes."""


@dataclass(frozen=True)
class Scene:
    """The bones and their movements into the film's frame (x anterior, to the right)."""

    sizes: KneeSizes
    femur: Femur
    patella: Patella
    tibia: Tibia
    fibula: Fibula
    femur_pose: Rigid
    patella_pose: Rigid
    tibia_pose: Rigid

    @property
    def bones(self) -> tuple[tuple[Solid, Rigid], ...]:
        """Solid and movement of femur, patella, tibia, fibula."""
        return (
            (self.femur.solid, self.femur_pose),
            (self.patella.solid, self.patella_pose),
            (self.tibia.solid, self.tibia_pose),
            (self.fibula.solid, self.tibia_pose),
        )


def build_scene(
    femur: Femur, patella: Patella, tibia: Tibia, fibula: Fibula, femur_pose: Rigid, flexion_deg: float
) -> Scene:
    """Bones put together: the femur as ``femur_pose`` says, the others by the joint."""
    to_tibia = place_tibia(femur, flexion_deg)
    to_patella = place_patella(femur, to_tibia, tibia, patella)
    return Scene(
        femur.sizes,
        femur,
        patella,
        tibia,
        fibula,
        femur_pose,
        femur_pose.after(to_patella),
        femur_pose.after(to_tibia),
    )


def draw_view(rng: np.random.Generator, size_px: int, spacing_mm: float | None) -> View:
    """A film of ``size_px`` pixels on its longer side, 165 to 250 mm high, the source about a metre away."""
    height = size_px * spacing_mm if spacing_mm else rng.uniform(165, 250)
    aspect = rng.uniform(min(max(0.6, 128 / height), 0.95), 1.0)
    return View(size_px, int(round(aspect * size_px)), height / size_px, rng.uniform(900, 1400))


def draw_scene(rng: np.random.Generator, view: View, flexion_deg: float, turn_deg: float, lean_deg: float) -> Scene:
    """Random bones in a given pose, somewhere about the film's middle."""
    sizes = draw_sizes(rng)
    spurs = _draw_spurs(sizes, rng) if rng.random() < _SPURS else ((), (), ())
    height, width = view.rows * view.spacing_mm, view.columns * view.spacing_mm
    shift = np.array([-20 + 0.04 * width * rng.normal(), height * rng.uniform(-0.04, 0.14), rng.normal(0, 4)])
    tilt = 0.6 * flexion_deg * rng.random() + rng.normal(0, 6)
    return build_scene(
        Femur(sizes, spurs[0]),
        Patella(sizes.patella, sizes.cortex, spurs[1]),
        Tibia(sizes, spurs[2]),
        Fibula(sizes, tuple(rng.normal(0, [1.8, 2.5, 1.5]))),
        make_film_pose(tilt, turn_deg, lean_deg, bool(rng.random() < 0.2), shift),
        flexion_deg,
    )


_Spurs = tuple[tuple[np.ndarray, float], ...]


def _draw_spurs(sizes: KneeSizes, rng: np.random.Generator) -> tuple[_Spurs, _Spurs, _Spurs]:
    """Osteophytes of femur, patella and tibia where they grow: at the edges of the cartilage."""
    radius, front = 0.335 * sizes.femur_depth, 0.665 * sizes.femur_depth
    thick, high, _ = sizes.patella
    side, rim = 0.27 * sizes.femur_width, 0.49 * sizes.tibia_depth
    places = (
        [
            (-0.72 * radius, -0.68 * radius, -side),
            (-0.72 * radius, -0.68 * radius, side),
            (front - 3, -1.05 * radius, 14),
        ],
        [(-0.3 * thick, -0.42 * high, 0.0), (-0.25 * thick, 0.42 * high, 0.0), (0.3 * thick, -0.45 * high, 0.0)],
        [(rim, 2.0, -12.0), (-rim, 4.0, -14.0), (-rim, 4.0, 14.0)],
    )
    return tuple(  # type: ignore[return-value]
        tuple((np.array(place), float(rng.uniform(1.3, 2.6))) for place in bone if rng.random() < 0.5)
        for bone in places
    )
