"""Metrics for landmarks and surfaces: MONAI metrics for training, and the same as functions on arrays.

To add one: subclass :class:`LandmarkMetric` and override ``summarize``, errors (K, N) in mm to one number.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
