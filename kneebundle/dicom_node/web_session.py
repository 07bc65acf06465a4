"""A session of HTTP that distrusts the other side: answers have an end, a size and a time, and none leads elsewhere."""

from __future__ import annotations

import base64
from collections.abc import Callable
from email.message import Message
from io import BytesIO
from typing import Any

from kneebundle.dicom_node.web_settings import DicomwebServer

__all__ = ["HalfAnswerError", "make_session"]

_PIECE = 1 << 16
_JSON = "application/dicom+json"


class HalfAnswerError(Exception):
    """An answer that is not whole, or too long or slow."""


def make_session(server: DicomwebServer, largest: int, should_stop: Callable[[], bool]) -> Any:
    """Make a session of requests.

    Args:
        server: whom it asks, with what it shows and what it trusts.
        largest: bytes of an answer.
        should_stop: asked while an answer comes in.
    """
    import requests
    import urllib3

    class Session(requests.Session):
        def send(self, request: Any, **settings: Any) -> Any:
            settings.update(stream=True, allow_redirects=False)
            request.headers.pop("Host", None)  # dicomweb-client leaves the port out of it
            if request.headers["Accept"].startswith(f"{_JSON},"):  # of a list of two Orthanc complains in its log
                request.headers["Accept"] = _JSON
            if server.authority is not None:  # and not what the environment says
                settings["verify"] = str(server.authority)
            response = super().send(request, **settings)
            if response.is_redirect:
                response.close()
                raise requests.TooManyRedirects("sends on to another address")
            content = BytesIO()
            try:
                for piece in response.raw.stream(_PIECE, decode_content=True):
                    content.write(piece)
                    if content.tell() > largest:
                        raise HalfAnswerError("gives an answer that is too long")
                    if should_stop():
                        raise HalfAnswerError("is too slow")
            except urllib3.exceptions.ReadTimeoutError as error:
                raise requests.ReadTimeout() from error
            except urllib3.exceptions.HTTPError as error:
                raise HalfAnswerError("ended in the middle of an answer") from error
            finally:
                response.close()
            content.seek(0)
            response.raw = content
            _check_end(response.headers.get("Content-Type", ""), content.getbuffer())
            kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
            if kind.endswith(("json", "xml")):
                response.headers["Content-Type"] = kind  # dicomweb-client reads none with a charset behind it
            elif request.method == "POST" and response.ok and content.getbuffer().nbytes > 0:
                raise HalfAnswerError("gives an answer that is none of STOW-RS")  # the page of a login, say
            return response

    class Secret(requests.auth.AuthBase):
        def __call__(self, request: Any) -> Any:
            if server.token is not None:
                request.headers["Authorization"] = f"Bearer {server.token}"
            elif server.user is not None:
                pair = base64.b64encode(f"{server.user}:{server.password}".encode()).decode()
                request.headers["Authorization"] = f"Basic {pair}"
            return request

    session = Session()
    session.headers["Accept"] = _JSON
    session.auth = Secret()  # where there is none, too: nor what a .netrc says
    return session


def _check_end(content_type: str, content: memoryview) -> None:
    """Check that a multipart answer has its last boundary; one that was cut off need not show it otherwise."""
    message = Message()
    message["Content-Type"] = content_type
    boundary = message.get_boundary()
    if message.get_content_maintype() == "multipart" and boundary is not None:
        end = bytes(content[-len(boundary) - 64 :]).rstrip()
        if not end.endswith(b"--" + boundary.encode() + b"--"):
            raise HalfAnswerError("ended in the middle of an answer")
