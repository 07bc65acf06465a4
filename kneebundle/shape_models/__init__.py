"""The classical rivals of the networks: shape models fitted to an image by forests, patch experts or appearance."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
