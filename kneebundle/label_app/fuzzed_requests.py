"""Damaged requests and labels for the Label app: through its guard, and as files that were sent.

The guard is the app's own; behind it stands an application that reads the labels as the app does. A whole server is
asked where one is running: set ``KNEEBUNDLE_LABEL_PORT``.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from kneebundle.errors import KneeBundleError
from kneebundle.evaluation.fuzz_targets import send_request, write_requests
from kneebundle.io.placement import read_placement
from kneebundle.label_app.guard import Guard, GuardRules
from kneebundle.label_app.labels import parse_label, read_label
from kneebundle.label_app.sent_files import check_label_file, check_name
from kneebundle.landmarks import KNEE_PA

__all__ = ["open_label"]

_PORT = "KNEEBUNDLE_LABEL_PORT"


def open_label(folder: Path) -> tuple[list[Path], Callable[[Path], object]]:
    """Requests as bytes, and labels as they are sent."""
    from kneebundle.io.dicom_writing import write_dicom
    from kneebundle.reports.slicer_markups import to_markups

    film = folder / "film.dcm"
    write_dicom(film, np.full((120, 100), 700, dtype=np.uint16), (0.3, 0.3), side="R")
    placement = read_placement(film, (0.3, 0.3))
    points = [{"id": n, "name": name, "x_px": 10.0 + n, "y_px": 20.0} for n, name in enumerate(KNEE_PA.names)]
    image = {"path": "film.dcm", "rows": 120, "columns": 100, "spacing_mm": [0.3, 0.3]}
    label = {"schema": "kneebundle/landmarks/1", "image": image, "knees": [{"side": "R", "landmarks": points}]}
    seeds = write_requests(folder / "seeds", _REQUESTS)
    (folder / "seeds/label.json").write_text(json.dumps(label))
    (folder / "seeds/label.mrk.json").write_text(json.dumps(to_markups(label, placement)))
    (folder / "seeds/mask.nrrd").write_bytes(
        b"NRRD0004\ntype: uchar\ndimension: 2\nsizes: 2 2\nencoding: raw\n\n\0\1\0\1"
    )

    if os.environ.get(_PORT):  # the first label makes the server load what it reads labels with
        with suppress(KneeBundleError):
            _ask(_REQUESTS["sent"].encode(), 120.0)

    def read(path: Path) -> object:
        if path.suffix == ".http":
            return _ask(path.read_bytes())
        check_name(path.name)
        if check_label_file(path):
            return parse_label(read_label(path), placement, path)
        return None

    return [*seeds, *sorted((folder / "seeds").glob("[lm]*.*"))], read


_LINE = "-" * 2
_HEAD = "HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n"
_JSON = "Content-Type: application/json\r\nContent-Length: 0\r\n"
_REQUESTS = {
    "info": f"GET /info/ {_HEAD}\r\n",
    "image": f"GET /datastore/image?image=knee {_HEAD}\r\n",
    "label": f"GET /datastore/label?label=knee&tag=final {_HEAD}\r\n",
    "infer": f"POST /infer/knee_landmarks?image=knee&output=json {_HEAD}{_JSON}\r\n" + "{}",
    "next": f"POST /activelearning/first {_HEAD}{_JSON}\r\n" + '{"a": 1}',
    "session": f"GET /session/01234567-89ab-cdef-0123-456789abcdef {_HEAD}\r\n",
    "sent": f"PUT /datastore/label?image=knee&tag=final {_HEAD}Content-Type: multipart/form-data; boundary=x\r\n"
    f'Content-Length: 0\r\n\r\n{_LINE}x\r\nContent-Disposition: form-data; name="label"; filename="a.json"\r\n\r\n'
    f'{{"knees": []}}\r\n{_LINE}x{_LINE}\r\n',
}


def _ask(content: bytes, seconds: float = 9.0) -> object:
    port = os.environ.get(_PORT)
    if port:
        hidden = [os.path.expanduser("~"), "/tmp/"]  # noqa: PTH111
        return send_request(content.replace(b"HOST", f"127.0.0.1:{port}".encode()), int(port), hidden, seconds)
    scope, body = _to_scope(content.replace(b"HOST", b"127.0.0.1:8000"))
    return asyncio.run(_ask_guard(scope, body))


def _to_scope(content: bytes) -> tuple[dict[str, Any], bytes]:
    """What a server makes of a request; one that is none is not passed on."""
    head, _, body = content.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    try:
        method, target, _ = lines[0].decode("ascii").split(" ")
    except ValueError as error:
        raise KneeBundleError("no request of HTTP") from error
    path, _, query = target.partition("?")
    headers = [(name.strip().lower(), value.strip()) for name, _, value in (line.partition(b":") for line in lines[1:])]
    return {"type": "http", "method": method, "path": path, "query_string": query.encode(), "headers": headers}, body


async def _ask_guard(scope: dict[str, Any], body: bytes) -> int:
    said: list[Any] = []

    async def send(message: Any) -> None:
        said.append(message)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def answer(inner: Any, receive_inner: Any, send_inner: Any) -> None:
        await receive_inner()
        await send_inner({"type": "http.response.start", "status": 200, "headers": []})
        await send_inner({"type": "http.response.body", "body": b"{}"})

    await Guard(partial(answer), GuardRules())(scope, receive, send)
    status = int(said[0]["status"])
    if status >= 400:
        raise KneeBundleError(json.loads(said[1]["body"])["detail"])
    return status
