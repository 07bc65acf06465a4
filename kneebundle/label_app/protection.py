"""Put the guard before a running MONAI Label, with the status that its errors should have."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from fastapi import Request
from fastapi.responses import JSONResponse
from monailabel.interfaces.exception import ImageNotFoundException, LabelNotFoundException, MONAILabelException
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from kneebundle.label_app.guard import Guard, GuardRules

if TYPE_CHECKING:
    from fastapi import FastAPI

__all__ = ["protect"]

_log = logging.getLogger(__name__)


def protect(application: FastAPI, rules: GuardRules) -> None:
    """Change an application that has started: its origins, its errors, and the guard before all of it."""
    application.user_middleware[:] = [
        Middleware(Guard, rules=rules),
        Middleware(CORSMiddleware, allow_origins=sorted(rules.origins), allow_methods=["*"], allow_headers=["*"]),
    ]
    application.exception_handlers.update(
        {
            HTTPException: _answer_refusal,
            MONAILabelException: _answer_monai_label,
            # what json.loads, dict.update and the file system say of what was sent
            ValueError: _answer_unreadable,
            TypeError: _answer_unreadable,
            AttributeError: _answer_unreadable,
            RecursionError: _answer_unreadable,
        }
    )
    application.middleware_stack = application.build_middleware_stack()


async def _answer_refusal(_: Request, error: Any) -> JSONResponse:
    """MONAI Label says 500 where a request lacks something."""
    status = 400 if error.status_code == 500 else error.status_code
    return JSONResponse({"detail": error.detail}, status)


async def _answer_monai_label(_: Request, error: Any) -> JSONResponse:
    missing = isinstance(error, ImageNotFoundException | LabelNotFoundException)
    return JSONResponse({"detail": str(getattr(error, "msg", error))}, 404 if missing else 400)


async def _answer_unreadable(_: Request, error: Any) -> JSONResponse:
    _log.warning("a request could not be read", exc_info=error)
    return JSONResponse({"detail": "the request cannot be read; params, info and the body are JSON objects"}, 400)
