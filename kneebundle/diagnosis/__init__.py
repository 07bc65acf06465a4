"""What is installed, on which machine, and whether it predicts: the first thing to know of a problem."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
