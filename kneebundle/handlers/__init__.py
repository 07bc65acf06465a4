"""Ignite handlers: checkpoints, early stop, progress, logs and the files of an evaluation."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
