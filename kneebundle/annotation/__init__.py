"""Predictions looked at and corrected in a browser: the server, its page, the corrections and their export."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
