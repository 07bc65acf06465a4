"""A DICOMweb server in this process, which goes wrong as a test likes."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable
from email import message_from_bytes
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from pydicom import Dataset, dcmread

LEVELS = {"studies": "StudyInstanceUID", "series": "SeriesInstanceUID", "instances": "SOPInstanceUID"}


class FakeDicomweb(ThreadingHTTPServer):
    """Holds instances by UID.

    ``fault(method, path)`` says what goes wrong with a request: an HTTP status, or one of ``cut`` (half an answer, its
    length unsaid), ``slow``, ``long`` (no end), ``garbage``, ``away``, ``redirect``.
    """

    daemon_threads = True

    def __init__(self, port: int = 0, authorization: str | None = None, tls: Any = None) -> None:
        self.instances: dict[str, bytes] = {}
        self.arrived: list[str] = []
        self.asked: list[str] = []
        self.shown: list[str | None] = []
        self.authorization = authorization
        self.fault: Callable[[str, str], int | str | None] = lambda method, path: None
        self.refuse: Callable[[Dataset], int | None] = lambda dataset: None  # a failure reason; -1: HTTP 500
        self.counts, self.pages = True, True
        super().__init__(("127.0.0.1", port), _Handler)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_side=True)
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/dicom-web"

    def put(self, film: Path) -> Dataset:
        dataset = dcmread(film, force=True)
        self.instances[str(dataset.SOPInstanceUID)] = film.read_bytes()
        return dataset

    def stop(self) -> None:
        self.shutdown()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass


class _Handler(BaseHTTPRequestHandler):
    server: FakeDicomweb

    def do_GET(self) -> None:
        self.answer(self.get)

    def do_POST(self) -> None:
        body = self.read_body()
        self.answer(lambda path, query: self.store(body))

    def answer(self, what: Callable[[str, dict[str, list[str]]], None]) -> None:
        url = urlsplit(self.path)
        self.server.asked.append(f"{self.command} {self.path}")
        self.server.shown.append(self.headers.get("Authorization"))
        fault = self.server.fault(self.command, url.path)
        if self.server.authorization is not None and self.headers.get("Authorization") != self.server.authorization:
            self.reply(401, b"", "text/plain")
        elif fault == "away":
            self.connection.close()
        elif fault == "redirect":
            self.send_response(307)
            self.send_header("Location", "http://127.0.0.1:9/other")
            self.end_headers()
        elif fault == "garbage":
            self.reply(200, b"<html>\xff", "text/html")
        elif fault == "slow":
            self.send_response(200)
            self.end_headers()
            time.sleep(1.5)
        elif fault == "long":
            self.send_response(200)
            self.end_headers()
            while True:
                self.wfile.write(b"x" * 100_000)
        elif isinstance(fault, int):
            self.reply(fault, b"", "text/plain")
        else:
            self.cut = fault == "cut"
            what(url.path.removeprefix("/dicom-web"), parse_qs(url.query))

    def get(self, path: str, query: dict[str, list[str]]) -> None:
        names = re.findall(r"/(studies|series|instances)(?:/([0-9.]+))?", path)
        datasets = [dcmread(BytesIO(content), stop_before_pixels=True) for content in self.server.instances.values()]
        for level, uid in names:
            datasets = [dataset for dataset in datasets if not uid or dataset[LEVELS[level]].value == uid]
        level, uid = names[-1]
        if uid:
            if not datasets:
                self.reply(404, b"", "text/plain")
                return
            content = self.server.instances[datasets[0].SOPInstanceUID]
            body = b"--edge\r\nContent-Type: application/dicom\r\n\r\n" + content + b"\r\n--edge--"
            self.reply(200, body, 'multipart/related; type="application/dicom"; boundary=edge')
            return
        found: dict[str, Dataset] = {}
        for dataset in datasets:
            modality = query.get("Modality", query.get("ModalitiesInStudy", [dataset.Modality]))[0]
            first = query.get("StudyDate", ["-"])[0].split("-")[0]
            if dataset.Modality == modality and dataset.get("StudyDate", "") >= first:
                found.setdefault(str(dataset[LEVELS[level]].value), dataset)
        items = [self.describe(level, dataset) for dataset in found.values()]
        if self.server.pages:
            offset = int(query.get("offset", ["0"])[0])
            items = items[offset : offset + min(int(query.get("limit", ["9"])[0]), 3)]  # a server's own limit
        self.reply(200 if items else 204, json.dumps(items).encode() if items else b"", "application/dicom+json")

    def describe(self, level: str, dataset: Dataset) -> dict[str, Any]:
        item = Dataset()
        for name in LEVELS.values():
            item[name] = dataset[name]
        if level == "series":
            item.Modality = dataset.Modality
        elif level == "studies" and self.server.counts:
            study = dataset.StudyInstanceUID.encode()
            item.NumberOfStudyRelatedInstances = sum(study in film for film in self.server.instances.values())
        return item.to_json_dict()

    def read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers["Content-Length"]))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def store(self, body: bytes) -> None:
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        message: Any = message_from_bytes(head + body, policy=HTTP)
        answer, failed, stored = Dataset(), [], []
        for part in message.iter_parts():
            content = part.get_payload(decode=True)
            dataset = dcmread(BytesIO(content))
            self.server.arrived.append(str(dataset.SOPInstanceUID))
            item = Dataset()
            item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = dataset.SOPClassUID, dataset.SOPInstanceUID
            reason = self.server.refuse(dataset)
            if reason == -1:
                self.reply(500, b"", "text/plain")
                return
            if reason is None:
                self.server.instances.setdefault(str(dataset.SOPInstanceUID), content)
                stored.append(item)
                continue
            item.FailureReason = reason
            failed.append(item)
        if stored:
            answer.ReferencedSOPSequence = stored
        if failed:
            answer.FailedSOPSequence = failed
        self.reply(409 if failed else 200, json.dumps(answer.to_json_dict()).encode(), "application/json;charset=utf-8")

    def reply(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        if getattr(self, "cut", False):
            body = body[: len(body) // 2]
        else:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass
