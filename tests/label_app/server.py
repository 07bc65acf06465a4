"""A MONAI Label server in an environment of its own, for the slow tests."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ENVIRONMENT = ".venv-label"
STUBS = Path(__file__).with_name("stubs")
NO_INDEX = (
    "ConnectionError",
    "NewConnectionError",
    "Name or service not known",
    "Temporary failure in name resolution",
)


def label_environment(repository: Path) -> Path:
    """The folder with the programs of .venv-label, which is made where it is not there or out of date."""
    folder = repository / ENVIRONMENT
    made = subprocess.run([str(repository / "scripts" / "label-env")], capture_output=True, text=True)
    if made.returncode != 0:
        log = folder / "install.log"
        said = made.stdout + made.stderr + (log.read_text(errors="replace") if log.is_file() else "")
        if any(sign in said for sign in NO_INDEX):
            pytest.skip(f"pip does not reach a package index to make {ENVIRONMENT} with; see {log}")
        pytest.fail(f"scripts/label-env failed: {made.stderr[-2000:]}")
    return folder / "bin"


@dataclass(frozen=True)
class Response:
    """Status and body of an HTTP response."""

    status: int
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def reason(self) -> str:
        """Of a refusal."""
        return str(self.json["detail"])


@dataclass(frozen=True)
class Server:
    """A server that runs."""

    address: str
    log: Path

    def call(
        self,
        method: str,
        path: str,
        params: dict[str, Any] | None = None,
        file: tuple[str, Path] | None = None,
        body: dict[str, Any] | None = None,
        field: str = "params",
    ) -> Response:
        """Send a form with ``params`` as JSON in a field and ``file`` (its field and path), or ``body`` as JSON."""
        request = urllib.request.Request(f"{self.address}{path}", method=method)
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        elif params is not None or file is not None:
            boundary = uuid.uuid4().hex
            request.data = _form(boundary, field, params, file)
            request.add_header("Content-Type", f"multipart/form-data; boundary={boundary}")
        try:
            with urllib.request.urlopen(request, timeout=300) as response:
                return Response(response.status, response.read())
        except urllib.error.HTTPError as error:
            return Response(error.code, error.read())

    def wait_for(self, task: str, seconds: float) -> dict[str, Any]:
        """The state of the last training or scoring, when it has ended."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            state: dict[str, Any] = self.call("GET", f"/{task}/").json
            if state["status"] not in ("SUBMITTED", "RUNNING"):
                return state
            time.sleep(1.0)
        raise AssertionError(f"no end of {task} in {seconds:g} s; see {self.log}")


@contextmanager
def running_server(programs: Path, app: Path, studies: Path, log: Path, *options: str) -> Iterator[Server]:
    """Start the server on a free port of this machine; it and what it started is killed in every case."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(programs / "monailabel"), "start_server", "--app", str(app), "--studies", str(studies)]
    command += ["--host", "127.0.0.1", "--port", str(port), *options]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=_environment(programs), stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        server = Server(f"http://127.0.0.1:{port}", log)
        _await(server, process)
        yield server
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _environment(programs: Path) -> dict[str, str]:
    names = {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": "", "OMP_NUM_THREADS": "1"}
    # scores are asked for where a test is about them
    names["MONAI_LABEL_AUTO_UPDATE_SCORING"] = "false"
    whole = subprocess.run([str(programs / "python"), "-c", "import torchvision"], capture_output=True)
    if whole.returncode != 0:
        names["PYTHONPATH"] = str(STUBS)
    return {**os.environ, **names}


def _await(server: Server, process: subprocess.Popen) -> None:
    end = time.monotonic() + 900
    while time.monotonic() < end and process.poll() is None:
        try:
            if server.call("GET", "/info/").status == 200:
                return
        except OSError:
            time.sleep(0.5)
    raise AssertionError(f"the server did not start: {server.log.read_text(errors='replace')[-3000:]}")


def _form(boundary: str, field: str, params: dict[str, Any] | None, file: tuple[str, Path] | None) -> bytes:
    parts = []
    if params is not None:
        parts.append(f'name="{field}"\r\n\r\n{json.dumps(params)}'.encode())
    if file is not None:
        name, path = file
        head = f'name="{name}"; filename="{path.name}"\r\nContent-Type: application/octet-stream\r\n\r\n'
        parts.append(head.encode() + path.read_bytes())
    line = f"--{boundary}\r\nContent-Disposition: form-data; ".encode()
    return b"".join(line + part + b"\r\n" for part in parts) + f"--{boundary}--\r\n".encode()
