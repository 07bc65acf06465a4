"""Sizes of a knee's bones, drawn from published measurements.

- Femur: width over the condyles 88.6 (sd 4.2) mm in men, 78.5 (3.0) in women, depth of the medial condyle 61.1 (3.4)
  and 55.9 (2.9), of the lateral one 61.1 (3.3) and 55.4 (2.1), width of the notch 22.0 (1.8) and 18.7 (1.0): Terzidis
  et al., Anat Res Int 2012, 679658, 360 femora. The condyles stand behind the posterior cortex line by 0.44 (0.02) of
  the distance from the anterior cortex line to their back: Johal et al., Knee 19 (2012). The radius of the shaft's bow
  is 112 (26) cm: Maratt et al., J Orthop Trauma 28 (2014), 3922 femora.
- Tibia: width 76.4 (2.8) and 68.8 (4.6) mm, depth 51.3 (2.0) and 45.7 (1.9): Cheng et al., Knee 16 (2009). Its plateau
  falls backwards by 5.7 degrees medially and 5.6 laterally: Haddad et al., Acta Orthop Belg 78 (2012), 143 knees.
- Patella: width 44.8 (4.8), thickness 22.4 (2.3), of both sexes together: Iranpour et al., Clin Orthop Relat Res 466
  (2008); height 42.9 in men and 40.2 in women: Vohra, Int J Anat Physiol Biochem 2 (2015). Tendon to patella length
  1.02 (0.13): Insall and Salvati, Radiology 101 (1971).

Sizes of one knee go together: a common factor carries most of the spread. What no source is named for is our choice.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["KneeSizes", "draw_sizes"]


@dataclass(frozen=True)
class KneeSizes:
    """Lengths in mm, angles in degrees.

    Attributes:
        femur_depth: of the medial condyle, from back to front.
        lateral_depth: of the lateral condyle.
        femur_width: over the condyles.
        notch_width: between the condyles.
        offset_ratio: part of ``femur_depth`` less ``trochlea_step`` that lies behind the posterior cortex line.
        trochlea_step: by how much the trochlea stands before the anterior cortex line.
        bow_radius: of the femur's shaft.
        shaft_width: sideways radius of the femur's shaft.
        roof_angle: of the notch's roof (Blumensaat's line) against the shaft.
        roof_curve: by how much the roof leaves its tangent, in mm for each mm^2 of distance from its posterior end.
        roof_below: how far its posterior end lies distal of the place where the condyles' circles would meet the cortex
            line.
        tibia_depth, tibia_width: of the plateau.
        slopes: of the plateau, medially and laterally.
        patella: its thickness, height and width.
        tendon_ratio: length of the patellar tendon over that of the patella.
        joint_space: between femur and tibia.
        patella_gap: between patella and femur.
        cortex: factor for the thickness of every cortex.
        fibula: sideways radius of the fibula's head.
    """

    femur_depth: float
    lateral_depth: float
    femur_width: float
    notch_width: float
    offset_ratio: float
    trochlea_step: float
    bow_radius: float
    shaft_width: float
    roof_angle: float
    roof_curve: float
    roof_below: float
    tibia_depth: float
    tibia_width: float
    slopes: tuple[float, float]
    patella: tuple[float, float, float]
    tendon_ratio: float
    joint_space: float
    patella_gap: float
    cortex: float
    fibula: float


def draw_sizes(rng: np.random.Generator) -> KneeSizes:
    """Sizes of a random knee, of a man or of a woman."""
    woman = rng.random() < 0.5
    common = rng.normal()

    def size(man: tuple[float, float], female: tuple[float, float]) -> float:
        mean, deviation = female if woman else man
        return mean + deviation * float(np.clip(0.8 * common + 0.6 * rng.normal(), -2.5, 2.5))

    def vary(mean: float, deviation: float) -> float:
        return mean + deviation * float(np.clip(rng.normal(), -2.5, 2.5))

    depth = size((61.1, 3.4), (55.9, 2.9))
    return KneeSizes(
        femur_depth=depth,
        lateral_depth=depth + vary(-0.2, 1.0),
        femur_width=size((88.6, 4.2), (78.5, 3.0)),
        notch_width=size((22.0, 1.8), (18.7, 1.0)),
        offset_ratio=vary(0.44, 0.02),
        trochlea_step=vary(4.0, 1.3),
        bow_radius=float(np.clip(rng.normal(1120, 260), 600, 1900)),
        shaft_width=vary(0.255, 0.015) * depth,
        roof_angle=vary(39.0, 3.5),
        roof_curve=vary(0.0, 0.0012),
        roof_below=vary(-2.3, 1.0),
        tibia_depth=size((51.3, 2.0), (45.7, 1.9)),
        tibia_width=size((76.4, 2.8), (68.8, 4.6)),
        slopes=(vary(5.7, 2.3), vary(5.6, 3.0)),
        patella=(size((22.9, 2.0), (21.2, 1.8)), size((42.9, 3.0), (40.2, 2.8)), size((46.5, 3.5), (42.0, 3.0))),
        tendon_ratio=vary(1.02, 0.13),
        joint_space=vary(5.0, 1.0),
        patella_gap=vary(4.8, 0.9),
        cortex=vary(1.0, 0.15),
        fibula=size((9.5, 0.8), (8.5, 0.7)),
    )
