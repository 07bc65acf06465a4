"""Pages to look at: one about each radiograph, and an index over a folder of them."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
