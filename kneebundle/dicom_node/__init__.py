"""A DICOM node: films received by C-STORE, a queue on disk, results sent to a PACS."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
