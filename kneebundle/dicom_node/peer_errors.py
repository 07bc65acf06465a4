"""How another DICOM program can fail to do what a node asks of it."""

from __future__ import annotations

__all__ = ["NotNowError", "PacsAwayError", "RefusedError"]


class PacsAwayError(Exception):
    """The other side does not answer, or has no room: all is to be tried again later."""


class NotNowError(Exception):
    """One request failed, and others may not: it is to be tried again later."""


class RefusedError(Exception):
    """The other side does not want an object; to send it again is of no use."""
