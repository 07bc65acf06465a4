"""The node's own STOW-RS: films are posted to it, and acknowledged when they are on disk (DICOM PS3.18, 10.5).

``POST /dicom-web/studies`` or ``/dicom-web/studies/<StudyInstanceUID>``: ``multipart/related`` of
``application/dicom``.
"""

from __future__ import annotations

import hmac
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from email.message import Message
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from kneebundle.dicom_node.film_queue import hash_uid
from kneebundle.dicom_node.intake import FilmIdentity, Intake, read_identity
from kneebundle.dicom_node.multipart import MultipartError, PartTooLargeError, read_parts
from kneebundle.dicom_node.node_settings import NodeSettings
from kneebundle.dicom_node.receiver import silence_libraries
from kneebundle.dicom_node.request_body import BodyError, BodyTooLargeError, RequestBody
from kneebundle.dicom_node.web_settings import StowEndpoint, is_loopback
from kneebundle.errors import KneeBundleError

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["StowServer"]

_PATH = re.compile(r"/dicom-web/studies(?:/(?P<study>[^/?#]*))?/?")
_UID = re.compile(r"[0-9][0-9.]{0,63}")
_FILMS_A_REQUEST = 64
_LONGEST_S = 900.0
_DRAIN_S, _DRAIN_BYTES = 2.0, 1 << 24
_NO_ROOM = 0xA700
_OTHER_STUDY = 0xA900
_NOT_UNDERSTOOD = 0xC000


class StowServer(ThreadingHTTPServer):
    """The server of the address.

    Args:
        endpoint: where it listens, and its token.
        settings: of the node.
        intake: takes the films.

    Raises:
        KneeBundleError: if the port is taken or the TLS files cannot be used.
    """

    daemon_threads = True
    request_queue_size = 32

    def __init__(self, endpoint: StowEndpoint, settings: NodeSettings, intake: Intake) -> None:
        silence_libraries()
        self.endpoint, self.settings, self.intake = endpoint, settings, intake
        self.stopping = False
        self._free = threading.BoundedSemaphore(settings.most_associations)
        if ":" in endpoint.host:
            self.address_family = socket.AF_INET6
        try:
            super().__init__((endpoint.host, endpoint.port), _Handler)
        except OSError as error:
            raise KneeBundleError(
                f"cannot listen for films on {endpoint.host}, port {endpoint.port} ({error.strerror})",
                field="stow_port",
            ) from error
        if settings.tls is not None:
            context = settings.tls.make_context(server=True)
            # the handshake comes with the first byte that is read, in the thread of the connection
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    @property
    def address(self) -> str:
        """Of STOW-RS."""
        host = f"[{self.endpoint.host}]" if ":" in self.endpoint.host else self.endpoint.host
        return f"http{'' if self.settings.tls is None else 's'}://{host}:{self.server_address[1]}/dicom-web"

    def start(self) -> None:
        """Listen, in a thread."""
        threading.Thread(target=self.serve_forever, args=(0.2,), name="stow", daemon=True).start()

    def stop(self) -> None:
        """Take no more films; a sender in the middle of one is told that it was not taken."""
        if not self.stopping:
            self.stopping = True
            self.shutdown()
            self.server_close()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start the thread of a connection, where there are not too many."""
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a connection."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a connection that ended."""


class _Reply(Exception):
    """Ends a request that is not done."""

    def __init__(self, status: HTTPStatus, said: str) -> None:
        self.status, self.said = status, said
        super().__init__(said)


class _Handler(BaseHTTPRequestHandler):
    server: StowServer
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        """Limit the time for a piece of a request."""
        super().setup()
        self.connection.settimeout(self.server.settings.timeout_s)

    def __getattr__(self, name: str) -> Callable[[], None]:
        if name.startswith("do_"):  # a method of HTTP
            return self._answer_request
        raise AttributeError(name)

    def handle_expect_100(self) -> bool:
        """Ask for the body only where it is wanted."""
        with self._replying():
            self._check_request()
            return super().handle_expect_100()
        return False

    def _answer_request(self) -> None:
        with self._replying():
            study, boundary = self._check_request()
            stored, failed, other = self._take_parts(study, boundary)
            answer = _make_answer(stored, failed, other)
            lost = len(failed) + other
            status = HTTPStatus.OK if not lost else HTTPStatus.ACCEPTED if stored else HTTPStatus.CONFLICT
            self._send(status, json.dumps(answer.to_json_dict()).encode(), "application/dicom+json")

    @contextmanager
    def _replying(self) -> Iterator[None]:
        self.close_connection = True
        try:
            yield
        except _Reply as reply:
            said = reply.said
            self.server.intake.refuse(reply.status.phrase.lower().replace(" ", "_"), f"a STOW-RS request: {said}")
            self._send(reply.status, f"{said}\n".encode(), "text/plain; charset=utf-8")
        except OSError:  # the sender is gone, or too slow
            self.server.intake.refuse("ended", "a STOW-RS request that ended before it was whole")

    def _check_request(self) -> tuple[str | None, str]:
        """What the headers say: the study, and the boundary of the parts."""
        endpoint = self.server.endpoint
        if endpoint.token is not None:
            scheme, _, shown = self.headers.get("Authorization", "").partition(" ")
            known = hmac.compare_digest(shown.strip().encode("latin-1", "replace"), endpoint.token.encode())
            if scheme.lower() != "bearer" or not known:
                raise _Reply(HTTPStatus.UNAUTHORIZED, "the token of this node is needed: Authorization: Bearer TOKEN")
        elif is_loopback(endpoint.host):
            host = re.sub(r":\d+$", "", self.headers.get("Host", "")).strip("[]")
            if not is_loopback(host):  # a web page that gave this machine's address another name
                raise _Reply(HTTPStatus.FORBIDDEN, "this machine only")
        path = _PATH.fullmatch(self.path.partition("?")[0])
        if path is None:
            raise _Reply(HTTPStatus.NOT_FOUND, "films are posted to /dicom-web/studies")
        if self.command != "POST":
            raise _Reply(HTTPStatus.METHOD_NOT_ALLOWED, "films are posted here; nothing can be fetched")
        study = path["study"] or None
        if study is not None and not _UID.fullmatch(study):
            raise _Reply(HTTPStatus.BAD_REQUEST, "the study in the address is no UID")
        return study, self._read_boundary()

    def _read_boundary(self) -> str:
        message = Message()
        message["Content-Type"] = self.headers.get("Content-Type", "")
        kind = message.get_param("type")
        if message.get_content_type() != "multipart/related" or str(kind or "application/dicom") != "application/dicom":
            raise _Reply(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                'multipart/related; type="application/dicom" is needed, with a boundary',
            )
        boundary = message.get_boundary()
        if boundary is None:
            raise _Reply(HTTPStatus.BAD_REQUEST, "the content type names no boundary")
        return boundary

    def _take_parts(
        self, study: str | None, boundary: str
    ) -> tuple[list[FilmIdentity], list[tuple[FilmIdentity, int]], int]:
        """Take the films in as they come: stored, failed with a reason, and how many parts are no films."""
        intake = self.server.intake
        if self.server.stopping or not intake.has_room():
            raise _Reply(HTTPStatus.SERVICE_UNAVAILABLE, "the queue or the disk is full, or the node ends; come again")
        stored: list[FilmIdentity] = []
        failed: list[tuple[FilmIdentity, int]] = []
        other = 0
        try:
            body = RequestBody(self.rfile, self.headers, _FILMS_A_REQUEST * intake.largest, _LONGEST_S)  # type: ignore[arg-type]
            for _, content in read_parts(body.read, boundary, intake.largest):
                film = read_identity(content)
                if film is None:
                    other += 1
                    intake.refuse("not_understood", "a part whose header cannot be read")
                    continue
                problem = self._take_film(film, content, study)
                if problem is None:
                    stored.append(film)
                else:
                    failed.append((film, problem))
            while body.read(1 << 16):
                pass  # what follows the last boundary
        except (PartTooLargeError, BodyTooLargeError):
            raise _Reply(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"a film may have {self.server.settings.largest_mib} MiB, a request {_FILMS_A_REQUEST} times that",
            ) from None
        except (MultipartError, BodyError) as error:
            raise _Reply(HTTPStatus.BAD_REQUEST, f"the body cannot be read: {error}") from None
        if not (stored or failed or other):
            raise _Reply(HTTPStatus.BAD_REQUEST, "the body has no parts")
        return stored, failed, other

    def _take_film(self, film: FilmIdentity, content: bytes, study: str | None) -> int | None:
        intake, key = self.server.intake, hash_uid(film.uid)
        if self.server.stopping or not intake.has_room():
            intake.refuse("no_room", f"film {key}, since the queue or the disk is full; it is to be sent again later")
            return _NO_ROOM
        if study is not None and film.study != study:
            intake.refuse("other_study", f"film {key}, which is of another study than the request says")
            return _OTHER_STUDY
        try:
            intake.add(film.uid, content)
        except OSError as error:
            intake.refuse("error", f"film {key}, which could not be written ({type(error).__name__})")
            return _NO_ROOM
        return None

    def _send(self, status: HTTPStatus, content: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Connection", "close")
        if status is HTTPStatus.UNAUTHORIZED:
            self.send_header("WWW-Authenticate", 'Bearer realm="kneebundle"')
        elif status is HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", "POST")
        elif status is HTTPStatus.SERVICE_UNAVAILABLE:
            self.send_header("Retry-After", "60")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)
        if status >= HTTPStatus.BAD_REQUEST:
            self._drain()

    def _drain(self) -> None:
        """Read on for a moment, so that a sender in the middle of its body gets to the answer."""
        end, left = time.monotonic() + _DRAIN_S, _DRAIN_BYTES
        with suppress(OSError):
            self.wfile.flush()
            self.connection.settimeout(_DRAIN_S / 4)
            while left > 0 and time.monotonic() < end and (piece := self.rfile.read1(1 << 16)):
                left -= len(piece)

    def version_string(self) -> str:
        """Say the name of this program alone."""
        return "kneebundle"

    def log_message(self, format: str, *args: object) -> None:
        """Log no requests."""


def _make_answer(stored: list[FilmIdentity], failed: list[tuple[FilmIdentity, int]], other: int) -> Dataset:
    """The dataset of the answer (PS3.18, table I.1-1)."""
    from pydicom import Dataset

    from kneebundle.reports.dicom_source import suppress_warnings

    def refer(film: FilmIdentity) -> Dataset:
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = film.sop_class, film.uid
        return item

    answer = Dataset()
    with suppress_warnings():
        answer.RetrieveURL = ""  # nothing can be fetched here
        if stored:
            answer.ReferencedSOPSequence = [refer(film) for film in stored]
        if failed:
            answer.FailedSOPSequence = [refer(film) for film, _ in failed]
            for item, (_, reason) in zip(answer.FailedSOPSequence, failed, strict=True):
                item.FailureReason = reason
        if other:
            answer.OtherFailuresSequence = [Dataset() for _ in range(other)]
            for item in answer.OtherFailuresSequence:
                item.FailureReason = _NOT_UNDERSTOOD
    return answer
