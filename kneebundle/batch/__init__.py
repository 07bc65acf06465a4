"""Many files: the runner of predict and register, manifest, names, output folder, local and Ray engine."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
