"""Trainers, samplers and schedules that MONAI lacks, and what starts a training."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
