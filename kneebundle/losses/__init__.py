"""Losses for landmark networks.

To add one: subclass :class:`LandmarkLoss` in a file of its own, override ``penalty`` (residuals in the chosen unit to
penalties, element by element), export it here, and test its values by hand in ``tests/losses``. Unit, masking and
reduction are the base class's. Configs name the class in ``_target_``. :class:`HeatmapLoss` is for networks that answer
heatmaps, and stands apart.
"""

from kneebundle.losses.aligned import AlignedLandmarkLoss
from kneebundle.losses.base import LandmarkLoss
from kneebundle.losses.calibrated import CalibratedLoss
from kneebundle.losses.heatmap import HeatmapLoss
from kneebundle.losses.planning import PlanningLoss
from kneebundle.losses.robust import AdaptiveRobustLoss
from kneebundle.losses.simple import ElasticLoss, L1Loss, L2Loss
from kneebundle.losses.wing import WingLoss

__all__ = [
    "AdaptiveRobustLoss",
    "AlignedLandmarkLoss",
    "CalibratedLoss",
    "ElasticLoss",
    "HeatmapLoss",
    "L1Loss",
    "L2Loss",
    "LandmarkLoss",
    "PlanningLoss",
    "WingLoss",
]
