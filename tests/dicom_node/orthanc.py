"""A real Orthanc in a folder, started and stopped as a test likes."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import urllib.request
from io import BytesIO
from pathlib import Path
from typing import Any

from pydicom import Dataset, dcmread

from tests.dicom_node.fakes import find_free_port, wait_for

PROGRAM = shutil.which("Orthanc", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")


DICOMWEB = next(Path("/usr").glob("share/orthanc/plugins/libOrthancDicomWeb.so"), None)
"""Its plugin for DICOMweb."""
USER, PASSWORD = "knee", "s3cret-canary"


class Orthanc:
    """Its settings and storage stay while it is stopped.

    Args:
        folder: for both.
        node_port: of the node, which it knows as ``knee``.
        dicomweb: with its DICOMweb server, which asks for ``USER`` and ``PASSWORD``.
    """

    def __init__(self, folder: Path, node_port: int, dicomweb: bool = False) -> None:
        self.folder, self.port, self.http = folder, find_free_port(), find_free_port()
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir()
        settings = {
            "Name": "test",
            "StorageDirectory": str(folder / "db"),
            "IndexDirectory": str(folder / "db"),
            "Plugins": [str(DICOMWEB)] if dicomweb else [],
            "DicomAet": "ORTHANC",
            "DicomPort": self.port,
            "HttpPort": self.http,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": dicomweb,
            "RegisteredUsers": {USER: PASSWORD},
            "DicomModalities": {"knee": ["KNEEBUNDLE", "127.0.0.1", node_port]},
        }
        (folder / "orthanc.json").write_text(json.dumps(settings))

    def start(self) -> None:
        log = (self.folder / "log.txt").open("ab")
        self._process = subprocess.Popen([str(PROGRAM), str(self.folder / "orthanc.json")], stdout=log, stderr=log)
        wait_for(self.is_up, 300)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(300)
            self._process = None

    def is_up(self) -> bool:
        try:
            return bool(self.ask("/system"))
        except OSError:
            return False

    def ask(self, path: str, content: bytes | None = None) -> Any:
        return json.loads(self._fetch(path, content))

    def store(self, film: Path) -> str:
        """Store a file; gives Orthanc's name for the instance."""
        return str(self.ask("/instances", film.read_bytes())["ID"])

    def route(self, instances: list[str]) -> None:
        """Have Orthanc send instances to the node."""
        self.ask("/modalities/knee/store", json.dumps(instances).encode())

    def read_instances(self) -> list[Dataset]:
        """All that it has, without the pixels."""
        files = (self._fetch(f"/instances/{name}/file") for name in self.ask("/instances"))
        return [Dataset(dcmread(BytesIO(file), stop_before_pixels=True)) for file in files]

    def _fetch(self, path: str, content: bytes | None = None) -> bytes:
        secret = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        address = f"http://127.0.0.1:{self.http}{path}"
        request = urllib.request.Request(address, content, {"Authorization": f"Basic {secret}"})
        with urllib.request.urlopen(request, timeout=300) as answer:
            return bytes(answer.read())
