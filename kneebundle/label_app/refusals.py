"""A refusal as the HTTP error that says why."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from fastapi import HTTPException
from monailabel.interfaces.exception import MONAILabelException

from kneebundle.errors import KneeBundleError
from kneebundle.label_app.films import in_server_words

__all__ = ["NotFound", "answered_over_http"]

_Answer = TypeVar("_Answer")


class NotFound(KneeBundleError):
    """What was asked for is not there."""


def answered_over_http(function: Callable[..., _Answer]) -> Callable[..., _Answer]:
    """Raise FastAPI's error for a refusal: 404 for :class:`NotFound`, 400 for others, the reason in ``detail``, without the
    folders of the server."""

    @functools.wraps(function)
    def wrapped(*arguments: object, **options: object) -> _Answer:
        try:
            return function(*arguments, **options)
        except KneeBundleError as error:
            status = 404 if isinstance(error, NotFound) else 400
            about = "" if error.path is None else f"{Path(error.path).name}: "
            raise HTTPException(status, in_server_words(about + error.reason)) from error
        except MONAILabelException as error:
            raise HTTPException(400, str(error.msg)) from error

    return wrapped
