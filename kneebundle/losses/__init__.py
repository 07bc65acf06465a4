"""Losses for landmark networks.

To add one: subclass :class:`LandmarkLoss` in a file of its own, override ``penalty`` (residuals in the chosen unit to
penalties, element by element), name it in ``__init__.pyi``, and test its values by hand in ``tests/losses``. Unit,
masking and reduction are the base class's. Configs name the class in ``_target_``. :class:`HeatmapLoss` is for networks
that answer heatmaps, and stands apart.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
