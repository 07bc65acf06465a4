"""The server behind the page: this machine only, a random token in the address, corrections saved as JSON.

Below ``/<token>/``:

- ``GET /``, ``GET /page/<file>``: the page and its parts;
- ``GET /films``: the radiographs of the folder with what was made of each;
- ``GET /films/<name>``: one radiograph with its points, or ``problem``, why it cannot be shown;
- ``GET /films/<name>/image?low=&high=``: its picture;
- ``POST /films/<name>``: save a correction; 409 with the other one where somebody saved in between.

Radiographs are addressed by the names of their records, never by a path. Anything wrong is one line of text as JSON.
"""

from __future__ import annotations

import hmac
import json
import math
import secrets
import socketserver
import sys
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from kneebundle.annotation.corrections import (
    CORRECTIONS_FOLDER,
    Correction,
    RevisionConflict,
    read_correction,
    write_correction,
)
from kneebundle.annotation.films import PredictedFilm, PredictedFilms, render_png
from kneebundle.annotation.page_data import describe_film, list_films, make_correction
from kneebundle.errors import KneeBundleError

__all__ = ["AnnotationServer"]

HOST = "127.0.0.1"
LARGEST_BODY = 256 * 1024
_DRAINED = 16 * 1024 * 1024
_TIMEOUT_S = 60.0
_DRAIN_S = 0.5
_HOST_NAMES = (HOST, "localhost")
_PAGE = Path(__file__).with_name("page")
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class _HttpError(Exception):
    def __init__(self, status: HTTPStatus, message: str, **further: Any) -> None:
        super().__init__(message)
        self.status = status
        self.content = {"error": message, **further}


class AnnotationServer(ThreadingHTTPServer):
    """Serve the page that corrects the predictions of an output folder, on 127.0.0.1.

    Args:
        folder: output folder of a prediction; corrections go into its folder ``corrections``.
        port: 0: any free one.
        rater: who corrects; it is written into the corrections.
        images: folder to look for images in that are no longer where they were.
        advice: by the field of an error, what the user does about it.

    Raises:
        KneeBundleError: if there are no predictions, or the port is taken.
    """

    daemon_threads = True

    def __init__(
        self,
        folder: Path,
        port: int = 0,
        rater: str = "",
        images: Path | None = None,
        advice: Mapping[str, str] | None = None,
    ) -> None:
        self.films = PredictedFilms(folder, images)
        self.corrections = folder / CORRECTIONS_FOLDER
        self.advice = dict(advice or {})
        self.rater = " ".join(rater.split())
        self.token = secrets.token_urlsafe(24)
        self.page = {path.name: path.read_bytes() for path in _PAGE.iterdir() if path.suffix in _TYPES}
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as error:
            raise KneeBundleError(
                f"port {port} cannot be had ({error.strerror}); another program may use it", field="port"
            ) from error

    @property
    def address(self) -> str:
        """Where the page is."""
        return f"http://{HOST}:{self.server_port}/{self.token}/"

    def server_bind(self) -> None:
        """Bind without looking up the name of this machine."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = HOST, int(self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that closed the tab is no error."""
        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: AnnotationServer
    protocol_version = "HTTP/1.1"
    timeout = _TIMEOUT_S
    server_version = "kneebundle"
    sys_version = ""

    def do_GET(self) -> None:
        self._answer(self._get)

    def do_POST(self) -> None:
        self._answer(self._post)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is logged: the terminal shows the address alone."""

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What is no proper request ends the connection, with one line."""
        self.close_connection = True
        self._send_json(HTTPStatus(code), {"error": message or HTTPStatus(code).phrase})

    def _answer(self, respond: Any) -> None:
        try:
            self._check_host()
            respond(self._check_token())
        except _HttpError as error:
            self._send_json(error.status, error.content)
        except KneeBundleError as error:
            self._send_json(HTTPStatus.UNPROCESSABLE_ENTITY, {"error": self._advise(error), "path": error.path})
        except (ConnectionError, TimeoutError):
            raise
        except Exception as error:
            line = " ".join(f"unexpected {type(error).__name__}: {error}; please report it".split())
            self._send_json(HTTPStatus.INTERNAL_SERVER_ERROR, {"error": line})

    def _advise(self, error: KneeBundleError) -> str:
        return error.advised(self.server.advice)

    def _check_host(self) -> None:
        """Refuse names that were made to lead here (DNS rebinding), and pages of other origins."""
        host = self.headers.get("Host", "")
        if urlsplit(f"//{host}").hostname not in _HOST_NAMES or "@" in host:
            raise self._refuse(HTTPStatus.FORBIDDEN, f"this server is for http://{HOST} on this machine alone")
        origin = self.headers.get("Origin")
        if (origin is not None or self.command == "POST") and origin != f"http://{host}":
            raise self._refuse(HTTPStatus.FORBIDDEN, "requests are taken from the page of this server alone")

    def _check_token(self) -> list[str]:
        """The parts of the address behind the token."""
        parts = [unquote(part) for part in urlsplit(self.path).path.split("/")[1:]]
        if not hmac.compare_digest(parts[0].encode(), self.server.token.encode()):
            message = "the address lacks its token; use the whole address that the program printed"
            raise self._refuse(HTTPStatus.FORBIDDEN, message)
        return parts[1:]

    def _refuse(self, status: HTTPStatus, message: str) -> _HttpError:
        """End the connection; what is still being sent is read, else the browser sees no answer."""
        self.close_connection = True
        left = min(self._read_length() or 0, _DRAINED)
        self.connection.settimeout(_DRAIN_S)
        try:
            while left > 0 and (part := self.rfile.read1(min(left, 65536))):
                left -= len(part)
        except OSError:
            pass
        self.connection.settimeout(_TIMEOUT_S)
        return _HttpError(status, message)

    def _read_length(self) -> int | None:
        stated = self.headers.get("Content-Length", "")
        return int(stated) if stated.isascii() and stated.isdigit() and len(stated) < 16 else None

    def _get(self, parts: list[str]) -> None:
        match parts:
            case [""]:
                self._send(HTTPStatus.OK, "text/html", self.server.page["index.html"])
            case ["page", file] if file in self.server.page:
                self._send(HTTPStatus.OK, _TYPES[Path(file).suffix], self.server.page[file])
            case ["films"]:
                self._send_json(HTTPStatus.OK, self._list_films())
            case ["films", name]:
                self._send_json(HTTPStatus.OK, self._describe(self._find(name)))
            case ["films", name, "image"]:
                self._send_image(self._find(name))
            case _:
                raise _HttpError(HTTPStatus.NOT_FOUND, "there is nothing at this address")

    def _post(self, parts: list[str]) -> None:
        body = self._read_body()
        match parts:
            case ["films", name]:
                film = self._find(name)
                try:
                    correction, based_on = make_correction(
                        film, self.server.films.open(film), _parse_json(body), self.server.rater
                    )
                except KneeBundleError as error:
                    if error.path is not None:
                        raise
                    raise _HttpError(HTTPStatus.BAD_REQUEST, error.reason) from error
                self._save(film, correction, based_on)
            case _:
                raise _HttpError(HTTPStatus.NOT_FOUND, "there is nothing to save at this address")

    def _save(self, film: PredictedFilm, correction: Correction, based_on: int) -> None:
        try:
            saved = write_correction(correction, self.server.corrections, based_on)
        except RevisionConflict as conflict:
            current = describe_film(film, conflict.current, self.server.films.open(film))
            raise _HttpError(HTTPStatus.CONFLICT, conflict.reason, current=current) from conflict
        content = {"revision": saved.revision, "saved_at": saved.saved_at, "status": saved.status}
        self._send_json(HTTPStatus.OK, content)

    def _list_films(self) -> dict[str, Any]:
        films = self.server.films.scan()
        corrections: dict[str, Correction] = {}
        broken: list[str] = []
        for name in films:
            try:
                correction = self._read_correction(name)
            except KneeBundleError as error:
                broken.append(str(error))
                continue
            if correction is not None:
                corrections[name] = correction
        return {
            "folder": str(self.server.films.folder),
            "rater": self.server.rater,
            "films": list_films(films, corrections),
            "broken": broken,
        }

    def _describe(self, film: PredictedFilm) -> dict[str, Any]:
        """A radiograph for the page, or the problem with it."""
        try:
            correction = self._read_correction(film.name)
            return describe_film(film, correction, self.server.films.open(film))
        except KneeBundleError as error:
            about = f"{error.path}: " if error.path else ""
            return {"name": film.name, "problem": f"{about}{self._advise(error)}"}

    def _find(self, name: str) -> PredictedFilm:
        film = self.server.films.find(name)
        if film is None:
            raise _HttpError(HTTPStatus.NOT_FOUND, "there is no prediction of this name")
        return film

    def _read_correction(self, name: str) -> Correction | None:
        return read_correction(self.server.corrections / f"{name}.json")

    def _send_image(self, film: PredictedFilm) -> None:
        query = parse_qs(urlsplit(self.path).query)
        try:
            low, high = float(query["low"][0]), float(query["high"][0])
        except (KeyError, ValueError):
            low = high = math.nan
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise _HttpError(HTTPStatus.BAD_REQUEST, "low and high are two grey values, low below high")
        self._send(HTTPStatus.OK, "image/png", render_png(self.server.films.open(film), low, high))

    def _read_body(self) -> bytes:
        length = self._read_length()
        if length is None or self.headers.get("Transfer-Encoding") is not None:
            raise self._refuse(HTTPStatus.LENGTH_REQUIRED, "a Content-Length is needed")
        if length > LARGEST_BODY:
            message = f"{length} bytes are too many; at most {LARGEST_BODY} are taken"
            raise self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, message)
        body = self.rfile.read(length)
        if self.headers.get_content_type() != "application/json":
            raise _HttpError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "the content type application/json is needed")
        return body

    def _send_json(self, status: HTTPStatus, content: dict[str, Any]) -> None:
        self._send(status, "application/json", json.dumps(content, allow_nan=False).encode())

    def _send(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
        self.send_response(status)
        text = content_type.startswith("text/")
        self.send_header("Content-Type", f"{content_type}; charset=utf-8" if text else content_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _parse_json(body: bytes) -> Any:
    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is no number of JSON")

    try:
        return json.loads(body, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        line = " ".join(str(error).split())[:200]
        raise _HttpError(HTTPStatus.BAD_REQUEST, f"the body cannot be read as JSON ({line})") from error
