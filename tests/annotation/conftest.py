"""A server over a small study."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kneebundle.annotation.server import AnnotationServer
from tests.annotation.studies import make_study


class Client:
    """Asks a server as its page does; every part of a request can be another one."""

    def __init__(self, server: AnnotationServer) -> None:
        self.server = server
        self.origin = f"http://127.0.0.1:{server.server_port}"

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        token: str | None = None,
        **headers: str | None,
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body; a header that is None is left out, ``_`` in its name stands for ``-``."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.server_port, timeout=20)
        sent: dict[str, str | None] = {"Host": f"127.0.0.1:{self.server.server_port}"}
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        if method == "POST":
            sent.update({"Origin": self.origin, "Content-Type": "application/json"})
            sent["Content-Length"] = str(len(data or b""))
        sent.update({name.replace("_", "-"): value for name, value in headers.items()})
        target = f"/{self.server.token if token is None else token}/{path}"
        connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        for name, value in sent.items():
            if value is not None:
                connection.putheader(name, value)
        connection.endheaders(data)
        response = connection.getresponse()
        answer = response.status, {k.lower(): v for k, v in response.getheaders()}, response.read()
        connection.close()
        return answer

    def get(self, path: str) -> Any:
        status, _, body = self.ask("GET", path)
        assert status == 200, body
        return json.loads(body)

    def save(self, name: str, **changes: Any) -> tuple[int, Any]:
        """Accept all knees of a radiograph as they are; ``changes`` go into what is sent."""
        film = self.get(f"films/{name}")
        items = [
            {"side": item["side"], "status": "accepted", "reason": "", "points": item["points"]}
            for item in film["items"]
        ]
        content = {"revision": film["revision"], "status": "accepted", "items": items, **changes}
        status, _, body = self.ask("POST", f"films/{name}", content)
        return status, json.loads(body)


def serve(server: AnnotationServer) -> Iterator[Client]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield Client(server)
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """The output folder of :func:`make_study`."""
    return make_study(tmp_path)


@pytest.fixture
def client(study: Path) -> Iterator[Client]:
    """A client of a server over the study."""
    yield from serve(AnnotationServer(study, rater="Ann", advice={"images": "name it with --images"}))
