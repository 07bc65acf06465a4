"""Errors of this package as HTTP errors."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from fastapi import HTTPException
from monailabel.interfaces.exception import MONAILabelException

from kneebundle.errors import KneeBundleError
from kneebundle.label_app.image_facts import ADVICE

__all__ = ["NotFoundError", "raise_http_errors"]

_Result = TypeVar("_Result")


class NotFoundError(KneeBundleError):
    """What was asked for is not there."""


def raise_http_errors(function: Callable[..., _Result]) -> Callable[..., _Result]:
    """Raise the errors of a function as those of FastAPI.

    The status is 404 for :class:`NotFoundError` and 400 for others; ``detail`` is the reason with the advice for
    clients, and never names a folder of the server.
    """

    @functools.wraps(function)
    def wrapped(*arguments: object, **options: object) -> _Result:
        try:
            return function(*arguments, **options)
        except KneeBundleError as error:
            status = 404 if isinstance(error, NotFoundError) else 400
            about = "" if error.path is None else f"{Path(error.path).name}: "
            raise HTTPException(status, about + error.advised(ADVICE)) from error
        except MONAILabelException as error:
            raise HTTPException(400, str(error.msg)) from error

    return wrapped
