"""The status of a node as a page and as metrics, on 127.0.0.1; nothing of a patient is in them.

- ``GET /``: a page for people;
- ``GET /metrics``: the text that Prometheus reads;
- ``GET /health``: 200 while the node works.
"""

from __future__ import annotations

import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from kneebundle import __version__
from kneebundle.dicom_node.counters import Counters
from kneebundle.dicom_node.film_queue import FilmQueue
from kneebundle.errors import KneeBundleError

__all__ = ["StatusPage"]

_HOST = "127.0.0.1"
_MEANING = {
    "received": "waiting for the networks",
    "working": "with the networks",
    "sending": "with results that the PACS does not have yet",
    "done": "done",
    "failed": "failed",
}


class StatusPage(ThreadingHTTPServer):
    """The server of the page.

    Args:
        port: 0: any free one.
        queue: of the films.
        counters: of the node.

    Raises:
        KneeBundleError: if the port is taken.
    """

    daemon_threads = True

    def __init__(self, port: int, queue: FilmQueue, counters: Counters) -> None:
        self.queue, self.counters = queue, counters
        try:
            super().__init__((_HOST, port), _Handler)
        except OSError as error:
            raise KneeBundleError(f"port {port} is not free ({error.strerror})", field="status_port") from error

    @property
    def address(self) -> str:
        """Of the page."""
        return f"http://{_HOST}:{self.server_address[1]}/"

    def make_page(self) -> str:
        """Make the page."""
        films = "".join(
            f"<tr><td>{_MEANING[folder]}</td><td>{count}</td></tr>" for folder, count in self.queue.count().items()
        )
        pacs = {None: "not tried yet", True: "reached", False: "away; results wait on disk and are sent later"}
        found = {None: "", True: "<p>Films are looked for.</p>", False: "<p>The DICOMweb server is away.</p>"}
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.counters.started))
        predicted = self.counters.total("films_predicted_total")
        mean = self.counters.total("prediction_seconds_total") / predicted if predicted else None
        took = "" if mean is None else f"<p>A film takes {mean:.1f} s on average.</p>"
        return (
            "<!doctype html><html lang='en'><head><meta charset='utf-8'><meta http-equiv='refresh' content='5'>"
            "<title>kneebundle serve</title><style>body{font:16px system-ui;margin:2em;color:#222}"
            "td{padding:.2em 1.5em .2em 0}td+td{text-align:right}</style></head><body><h1>kneebundle serve</h1>"
            f"<table>{films}</table><p>PACS: {pacs[self.counters.pacs_reached]}.</p>"
            f"{found[self.counters.source_reached]}{took}"
            f"<p>Running since {since}, version {__version__}. For research only. <a href='metrics'>Metrics</a></p>"
            "</body></html>"
        )


class _Handler(BaseHTTPRequestHandler):
    server: StatusPage
    timeout = 10

    def do_GET(self) -> None:
        """Answer one of the three addresses."""
        host = self.headers.get("Host", "").rsplit(":", 1)[0]
        if host not in (_HOST, "localhost"):
            self._answer(HTTPStatus.FORBIDDEN, "text/plain", "this machine only\n")
        elif self.path == "/":
            self._answer(HTTPStatus.OK, "text/html", self.server.make_page())
        elif self.path == "/metrics":
            text = self.server.counters.format_prometheus(self.server.queue.count())
            self._answer(HTTPStatus.OK, "text/plain; version=0.0.4", text)
        elif self.path == "/health":
            self._answer(HTTPStatus.OK, "text/plain", "ok\n")
        else:
            self._answer(HTTPStatus.NOT_FOUND, "text/plain", "no such page\n")

    def _answer(self, status: HTTPStatus, kind: str, text: str) -> None:
        content = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Log no requests."""
