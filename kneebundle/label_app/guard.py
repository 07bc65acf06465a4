"""What stands before MONAI Label's HTTP interface: who may ask, how much may be sent, and what answers do not say."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from kneebundle.errors import KneeBundleError

__all__ = ["Guard", "GuardRules"]

OWN_HOSTS = ("127.0.0.1", "localhost", "[::1]")
"""Names of the machine itself. A web page cannot make a browser send one of these for another machine's name."""

LARGEST_MB = 256

_SESSION = re.compile(r"[0-9a-f-]{36}")
_WITH_TEXT = (b"application/json", b"text/plain")

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]


@dataclass(frozen=True)
class GuardRules:
    """What the guard lets through.

    Attributes:
        hosts: names by which the server may be asked, without the port.
        origins: of web pages that may ask, as ``https://viewer.example``; pages of the server itself always may.
        largest_mb: size of a request.
        hidden: folders of the server that no answer names, with what is written in their place.
    """

    hosts: frozenset[str] = frozenset(OWN_HOSTS)
    origins: frozenset[str] = frozenset()
    largest_mb: float = LARGEST_MB
    hidden: tuple[tuple[str, str], ...] = ()

    @classmethod
    def from_settings(cls, settings: Mapping[str, str], hidden: Sequence[tuple[str, str]] = ()) -> GuardRules:
        """Make the rules of the server's settings ``hosts``, ``origins`` (joined by commas) and ``largest_mb``.

        Raises:
            KneeBundleError: if a setting cannot be used.
        """
        origins = [_clean_origin(origin) for origin in _split(settings.get("origins"))]
        try:
            largest_mb = float(settings.get("largest_mb") or LARGEST_MB)
        except ValueError:
            largest_mb = 0.0
        if not 0 < largest_mb < float("inf"):
            raise KneeBundleError(f"largest_mb is {settings.get('largest_mb')!r}; a number of megabytes is needed")
        hosts = {host.lower() for host in _split(settings.get("hosts"))}
        # a folder before the one that it is in
        ordered = tuple(sorted(hidden, key=lambda pair: -len(pair[0])))
        return cls(frozenset(OWN_HOSTS) | hosts, frozenset(origins), largest_mb, ordered)


class Guard:
    """An ASGI application around another one.

    Args:
        app: the other one.
        rules: what it is given.
    """

    def __init__(self, app: Application, rules: GuardRules) -> None:
        self.app = app
        self.rules = rules

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with 4xx and one line."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        refusal = self._refuse(scope)
        if refusal is not None:
            await _answer(send, *refusal)
            return
        counted = _Counted(receive, send, int(self.rules.largest_mb * 1e6))
        await self.app(scope, counted.receive, _Hiding(counted.send, self.rules.hidden).send)

    def _refuse(self, scope: Mapping[str, Any]) -> tuple[int, str] | None:
        """Status and reason; None for a request that may pass."""
        headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
        host = headers.get(b"host", "").lower()
        if _drop_port(host) not in self.rules.hosts:
            return 403, f"this server does not answer as {host[:100]!r}; name it in the setting hosts"
        origin = headers.get(b"origin")
        if origin is not None and origin.lower() not in self.rules.origins and urlsplit(origin).netloc.lower() != host:
            return 403, f"pages of {origin[:100]!r} may not ask this server; name them in the setting origins"
        length = headers.get(b"content-length", "0")
        if not length.isdigit() or int(length) > self.rules.largest_mb * 1e6:
            return _too_large(self.rules.largest_mb * 1e6)
        return _refuse_action(scope["method"], scope["path"], scope.get("query_string", b""))


def _refuse_action(method: str, path: str, query: bytes) -> tuple[int, str] | None:
    """What MONAI Label would do, and this app has no use for."""
    if path.startswith("/model/") and method in ("PUT", "DELETE"):
        return 403, "weights come by training; they are neither sent nor deleted"
    asked = parse_qs(query.decode("latin-1"))
    if path.startswith("/session") and asked.get("uncompress", ["false"])[-1].lower() not in (
        "false",
        "0",
        "no",
        "off",
    ):
        return 400, "archives are not unpacked; send the radiograph"
    named = asked.get("session_id", [])
    if path.startswith("/session/") and path.strip("/") != "session":
        named = [*named, path.split("/")[2]]
    if any(name and not _SESSION.fullmatch(name) for name in named):
        return 404, "there is no such session"
    return None


class _Counted:
    """The body of a request that ends when it is too large, and the answer, which then says so."""

    def __init__(self, receive: Receive, send: Send, most: int) -> None:
        self._receive, self._send = receive, send
        self._left, self._most = most, most
        self._answered = False

    async def receive(self) -> Message:
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            return {"type": "http.disconnect"}
        return message

    async def send(self, message: Message) -> None:
        if self._left >= 0:
            await self._send(message)
        elif not self._answered:
            self._answered = True
            await _answer(self._send, *_too_large(self._most))


class _Hiding:
    """An answer in which folders of the server are not named."""

    def __init__(self, send: Send, hidden: Sequence[tuple[str, str]]) -> None:
        self._send = send
        self._hidden = [(folder.encode(), name.encode()) for folder, name in hidden if folder]
        self._start: Message | None = None
        self._body = bytearray()

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = dict(message.get("headers", ()))
            if headers.get(b"content-type", b"").startswith(_WITH_TEXT):
                self._start = message  # held back until its length is known
                return
        if self._start is None or message["type"] != "http.response.body":
            await self._send(message)
            return
        self._body += message.get("body", b"")
        if message.get("more_body"):
            return
        body = bytes(self._body)
        for folder, name in self._hidden:
            body = body.replace(folder, name)
        start, self._start = self._start, None
        kept = [pair for pair in start.get("headers", ()) if pair[0].lower() != b"content-length"]
        length = (b"content-length", str(len(body)).encode())
        await self._send({**start, "headers": [*kept, length]})
        await self._send({"type": "http.response.body", "body": body})


def _too_large(most: float) -> tuple[int, str]:
    return 413, f"the request is larger than {most / 1e6:g} MB; the setting largest_mb says how large it may be"


async def _answer(send: Send, status: int, reason: str) -> None:
    body = json.dumps({"detail": reason}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _drop_port(host: str) -> str:
    return re.sub(r":\d*$", "", host)


def _split(text: str | None) -> list[str]:
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def _clean_origin(origin: str) -> str:
    parts = urlsplit(origin.lower())
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.path.strip("/"):
        raise KneeBundleError(f"the origin is {origin!r}; one such as https://viewer.example is needed")
    return f"{parts.scheme}://{parts.netloc}"
