"""Drawn lateral knee radiographs."""

from kneebundle.datasets.phantoms.lateral.collection import LateralKnees
from kneebundle.datasets.phantoms.lateral.film import draw_lateral_knee
from kneebundle.datasets.phantoms.lateral.knee import BONES, POINTS, LateralKnee, Sphere
from kneebundle.datasets.phantoms.lateral.samples import synthesize_lateral

__all__ = ["BONES", "POINTS", "LateralKnee", "LateralKnees", "Sphere", "draw_lateral_knee", "synthesize_lateral"]
