"""Who may ask the server, how much may be sent, and what answers do not say."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from kneebundle.errors import KneeBundleError
from kneebundle.label_app.guard import Guard, GuardRules

RULES = GuardRules.from_settings(
    {"hosts": "knees.example", "origins": "https://viewer.example", "largest_mb": "0.001"},
    [("/srv/app", "app"), ("/srv/app/studies", "studies")],
)


class Echo:
    """An application that reads what it is sent and says where its files are."""

    def __init__(self, content_type: bytes = b"application/json") -> None:
        self.content_type = content_type
        self.received: list[bytes] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                break
            self.received.append(message.get("body", b""))
            if not message.get("more_body"):
                break
        body = b'{"path": "/srv/app/studies/knee.png", "app": "/srv/app/main.py"}'
        headers = [(b"content-type", self.content_type), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body[:20], "more_body": True})
        await send({"type": "http.response.body", "body": body[20:]})


def ask(
    app: Echo,
    method: str = "GET",
    path: str = "/info/",
    query: str = "",
    chunks: tuple[bytes, ...] = (b"",),
    rules: GuardRules = RULES,
    **headers: str,
) -> tuple[int, bytes]:
    """Status and body of the answer; the headers' host is the machine itself where none is given."""
    given = {"host": "127.0.0.1:8000", **headers}
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": query.encode(),
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in given.items()],
    }
    waiting = list(chunks)
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        body = waiting.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(waiting)}

    async def send(message: Any) -> None:
        sent.append(dict(message))

    asyncio.run(Guard(app, rules)(scope, receive, send))
    body = b"".join(message.get("body", b"") for message in sent[1:])
    assert dict(sent[0]["headers"])[b"content-length"] == str(len(body)).encode()
    assert sum(message["type"] == "http.response.start" for message in sent) == 1
    return sent[0]["status"], body


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8000", "localhost:80", "[::1]:8000", "Knees.example:8000"])
def test_names_of_the_machine_and_those_of_the_setting_are_answered(host: str) -> None:
    assert ask(Echo(), host=host)[0] == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "", "127.0.0.1.evil.example", "x@127.0.0.1"])
def test_another_name_is_not_answered(host: str) -> None:
    """A page whose name was made to mean this machine (DNS rebinding) asks by its own name."""
    app = Echo()
    status, body = ask(app, host=host)
    assert status == 403 and "name it in the setting hosts" in json.loads(body)["detail"]
    assert not app.received


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://127.0.0.1:8000", 200),
        ("https://viewer.example", 200),
        ("https://evil.example", 403),
        ("null", 403),
        ("http://127.0.0.1:9000", 403),
        ("https://viewer.example.evil.example", 403),
    ],
)
def test_pages_of_others_may_not_ask(origin: str, status: int) -> None:
    app = Echo()
    assert ask(app, "POST", "/infer/x", origin=origin)[0] == status
    assert bool(app.received) == (status == 200)


def test_a_request_that_says_that_it_is_too_large_is_not_read() -> None:
    app = Echo()
    for length in ("1001", "many", "-5"):
        status, body = ask(app, "PUT", content_length=length, chunks=(b"x" * 2000,))
        assert status == 413 and "larger than 0.001 MB" in json.loads(body)["detail"]
    assert not app.received


def test_a_request_that_does_not_say_how_large_it_is_ends_at_the_limit() -> None:
    app = Echo()
    status, _ = ask(app, "PUT", chunks=(b"x" * 600, b"x" * 600, b"x" * 600))
    assert status == 413
    assert sum(map(len, app.received)) == 600
    assert ask(Echo(), "PUT", chunks=(b"x" * 600, b"x" * 400))[0] == 200


@pytest.mark.parametrize(
    ("method", "path", "query", "status"),
    [
        ("PUT", "/model/knee_landmark_localization", "", 403),
        ("DELETE", "/model/knee_landmark_localization", "", 403),
        ("GET", "/model/knee_landmark_localization", "", 200),
        ("PUT", "/session/", "uncompress=true", 400),
        ("PUT", "/session/", "uncompress=false", 200),
        ("GET", "/session/..", "", 404),
        ("POST", "/infer/x", "session_id=../../etc", 404),
        ("POST", "/infer/x", "session_id=00000000-0000-1000-8000-000000000000", 200),
        ("POST", "/infer/x", "session_id=", 200),
    ],
)
def test_what_this_app_has_no_use_for(method: str, path: str, query: str, status: int) -> None:
    assert ask(Echo(), method, path, query)[0] == status


def test_answers_name_no_folder_of_the_server() -> None:
    status, body = ask(Echo())
    assert (status, json.loads(body)) == (200, {"path": "studies/knee.png", "app": "app/main.py"})
    assert b"/srv/app" in ask(Echo(b"application/octet-stream"))[1], "files are sent as they are"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"origins": "*"}, "the origin is '\\*'"),
        ({"origins": "viewer.example"}, "one such as https"),
        ({"largest_mb": "much"}, "a number of megabytes"),
        ({"largest_mb": "-1"}, "a number of megabytes"),
    ],
)
def test_settings_that_cannot_be_used(settings: dict[str, str], said: str) -> None:
    with pytest.raises(KneeBundleError, match=said):
        GuardRules.from_settings(settings)
