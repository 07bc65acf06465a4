"""The node's own STOW-RS: what it answers, and that nothing that comes to it does harm."""

from __future__ import annotations

import json
import logging
import os
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPConnection, HTTPResponse
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import CTImageStorage

from kneebundle.dicom_node.counters import Counters
from kneebundle.dicom_node.film_queue import FilmQueue, hash_uid
from kneebundle.dicom_node.intake import Intake
from kneebundle.dicom_node.node_settings import NodeSettings, Peer
from kneebundle.dicom_node.stow import StowServer
from kneebundle.dicom_node.web_settings import StowEndpoint
from kneebundle.errors import KneeBundleError
from tests.dicom_node.fakes import NAME, FakePacs, count, find_free_port, running_node, wait_for, write_knee

KIND = 'multipart/related; type="application/dicom"; boundary=edge'


class Endpoint:
    """A server with a queue, and no node behind it."""

    def __init__(self, folder: Path, token: str | None = None, **settings: Any) -> None:
        self.queue, self.counters = FilmQueue(folder), Counters()
        known = {"pacs": Peer("A", "b", 1), "stow": StowEndpoint(), "least_free_mib": 0, "timeout_s": 1.0, **settings}
        chosen = NodeSettings(**known)
        intake = Intake(chosen, self.queue, self.counters, lambda: None)
        self.server = StowServer(StowEndpoint(port=0, token=token), chosen, intake)
        self.server.start()
        self.port = urlsplit(self.server.address).port

    def connect(self) -> HTTPConnection:
        return HTTPConnection("127.0.0.1", self.port, timeout=20)

    def ask(
        self, body: Any = b"", path: str = "/dicom-web/studies", method: str = "POST", **headers: str
    ) -> tuple[int, bytes, HTTPResponse]:
        connection = self.connect()
        sent = {"Content-Type": KIND, **{name.replace("_", "-"): value for name, value in headers.items()}}
        with suppress(BrokenPipeError, ConnectionResetError):  # it has answered before all was sent
            connection.request(method, path, body, sent, encode_chunked=not isinstance(body, bytes))
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, content, answer

    def send_raw(self, content: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as connection:
            answer = b""
            with suppress(OSError):
                connection.sendall(content)
                connection.shutdown(socket.SHUT_WR)
            with suppress(OSError):
                while piece := connection.recv(65536):
                    answer += piece
        return answer


@pytest.fixture
def endpoint(tmp_path: Path) -> Iterator[Endpoint]:
    made = Endpoint(tmp_path / "queue", largest_mib=1)
    yield made
    made.server.stop()


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return write_knee(tmp_path / "a.dcm")


def pack(*parts: bytes, boundary: bytes = b"edge", kind: bytes = b"Content-Type: application/dicom\r\n") -> bytes:
    lines = b"".join(b"--" + boundary + b"\r\n" + kind + b"\r\n" + part + b"\r\n" for part in parts)
    return lines + b"--" + boundary + b"--\r\n"


def uids(answer: bytes, sequence: str) -> list[str]:
    return [item["00081155"]["Value"][0] for item in json.loads(answer).get(sequence, {}).get("Value", [])]


def reasons(answer: bytes, sequence: str) -> list[int]:
    return [item["00081197"]["Value"][0] for item in json.loads(answer)[sequence]["Value"]]


STORED, FAILED, OTHER = "00081199", "00081198", "0008119A"


def test_films_that_are_posted_are_predicted_and_their_results_sent(tmp_path: Path) -> None:
    pytest.importorskip("pynetdicom")
    dicomweb_client = pytest.importorskip("dicomweb_client")
    films = [dcmread(write_knee(tmp_path / f"{grey}.dcm", grey)) for grey in (100, 101)]
    ct = dcmread(write_knee(tmp_path / "ct.dcm", 102, Modality="CT", SOPClassUID=CTImageStorage))
    pacs, queue = FakePacs(find_free_port()), tmp_path / "queue"
    settings: dict[str, Any] = {"allowed": [], "stow": StowEndpoint(port=0, token="t0ken"), "objects": ["sr"]}
    with running_node(queue, pacs._server.socket.getsockname()[1], **settings) as (_, address, _page):
        client = dicomweb_client.DICOMwebClient(
            address, headers={"Authorization": "Bearer t0ken"}, chunk_size=1000
        )  # in chunks
        answer = client.store_instances([*films, ct])
        assert [item.ReferencedSOPInstanceUID for item in answer.ReferencedSOPSequence] == [
            film.SOPInstanceUID for film in [*films, ct]
        ]
        wait_for(lambda: count(queue)["done"] == 2 and count(queue)["failed"] == 1, 30)
        client.store_instances(films, study_instance_uid=films[0].StudyInstanceUID)
        assert count(queue)["received"] == 0  # they are done already
    pacs.stop()
    assert len(pacs.arrived) == 2


def test_a_film_is_on_disk_when_it_is_acknowledged(endpoint: Endpoint, film: Path) -> None:
    status, answer, response = endpoint.ask(pack(film.read_bytes()))
    uid = str(dcmread(film).SOPInstanceUID)
    assert (status, response.headers["Content-Type"]) == (200, "application/dicom+json")
    assert uids(answer, STORED) == [uid] and FAILED not in json.loads(answer)
    assert (endpoint.queue.folder / "received" / f"{hash_uid(uid)}.dcm").read_bytes() == film.read_bytes()
    assert endpoint.ask(pack(film.read_bytes()))[0] == 200
    assert endpoint.counters.total("films_resent_total") == 1


def test_the_answer_says_what_was_taken_and_why_not(endpoint: Endpoint, film: Path, tmp_path: Path) -> None:
    other = write_knee(tmp_path / "b.dcm", 101, StudyInstanceUID="1.2.3.4")
    study, uid = (str(dcmread(film)[name].value) for name in ("StudyInstanceUID", "SOPInstanceUID"))
    body = pack(film.read_bytes(), b"no film", other.read_bytes())
    status, answer, _ = endpoint.ask(body, f"/dicom-web/studies/{study}")
    assert status == 202
    assert uids(answer, STORED) == [uid]
    assert uids(answer, FAILED) == [str(dcmread(other).SOPInstanceUID)] and reasons(answer, FAILED) == [0xA900]
    assert reasons(answer, OTHER) == [0xC000]
    status, answer, _ = endpoint.ask(pack(b"no film"))
    assert status == 409 and reasons(answer, OTHER) == [0xC000]
    status, answer, _ = endpoint.ask(pack(other.read_bytes()), f"/dicom-web/studies/{study}")
    assert status == 409 and STORED not in json.loads(answer)


@pytest.mark.parametrize(
    ("status", "change"),
    [
        (415, {"Content_Type": "application/dicom"}),
        (415, {"Content_Type": 'multipart/related; type="application/dicom+json"; boundary=edge'}),
        (415, {"Content_Type": "multipart/form-data; boundary=edge"}),
        (415, {"Content_Type": ""}),
        (400, {"Content_Type": 'multipart/related; type="application/dicom"'}),
        (400, {"Content_Type": "multipart/related; boundary=wrong"}),
        (400, {"Content_Type": f"multipart/related; boundary={'x' * 300}"}),
        (400, {"body": b""}),
        (400, {"body": b"--edge--\r\n"}),
        (400, {"body": b"--edge\r\n"}),
        (400, {"body": pack(b"x")[:-9]}),
        (400, {"body": b"--edgeX\r\n\r\nx\r\n--edge--"}),
        (413, {"body": b"--edge\r\n" + b"A: b\r\n" * 9000}),
        (413, {"body": pack(b"x" * 2_000_000)}),
        (413, {"Content_Length": str(10**12)}),
        (400, {"Content_Length": "many"}),
        (400, {"Content_Length": "-1"}),
        (400, {"Content_Length": "9" * 30}),
        (400, {"Transfer_Encoding": "gzip"}),
        (404, {"path": "/"}),
        (404, {"path": "/dicom-web/studies/1.2/series"}),
        (404, {"path": "/dicom-web/studies/../../etc/passwd"}),
        (400, {"path": "/dicom-web/studies/..%2F..%2Fetc"}),
        (400, {"path": "/dicom-web/studies/.."}),
        (400, {"path": f"/dicom-web/studies/{'1' * 65}"}),
        (405, {"method": "GET"}),
        (405, {"method": "DELETE"}),
        (405, {"method": "OPTIONS"}),
        (403, {"Host": "rebound.example:80"}),
    ],
)
def test_what_is_wrong_with_a_request_is_said(endpoint: Endpoint, film: Path, status: int, change: dict) -> None:
    body = change.pop("body", pack(film.read_bytes()))
    found, answer, response = endpoint.ask(body, **change)
    if status == 413 and b"A: b" in body:
        status = 400  # headers of a part without end
    assert found == status, answer
    assert b"\n" in answer and b"Traceback" not in answer
    assert response.headers["Connection"] == "close"
    assert sum(endpoint.queue.count().values()) == 0
    assert endpoint.ask(pack(film.read_bytes()))[0] == 200  # it lives


def test_a_token_is_needed_where_one_is_set(tmp_path: Path, film: Path) -> None:
    endpoint = Endpoint(tmp_path / "queue", token="t0ken")
    body = pack(film.read_bytes())
    try:
        for shown in ("", "Bearer", "Bearer t0ke", "Bearer t0ken2", "Basic t0ken", "Bearer t\xf6ken"):
            status, _, response = endpoint.ask(body, Authorization=shown)
            assert status == 401 and response.headers["WWW-Authenticate"].startswith("Bearer")
        assert sum(endpoint.queue.count().values()) == 0
        assert endpoint.ask(body, Authorization="Bearer t0ken", Host="knee.hospital")[0] == 200
    finally:
        endpoint.server.stop()


def test_others_may_reach_it_with_a_token_or_tls_only() -> None:
    with pytest.raises(KneeBundleError, match="a token or TLS is needed"):
        NodeSettings(Peer("A", "b", 1), stow=StowEndpoint("0.0.0.0", 0))
    NodeSettings(Peer("A", "b", 1), stow=StowEndpoint("0.0.0.0", 0, "t0ken"))


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_with_certificates_it_speaks_tls_to_known_senders(tmp_path: Path, film: Path) -> None:
    import requests

    from tests.dicom_node.test_node_settings import make_certificate

    ours, strange = make_certificate(tmp_path, "ours"), make_certificate(tmp_path, "strange")
    endpoint = Endpoint(tmp_path / "queue", tls=ours)
    address = f"https://localhost:{endpoint.port}/dicom-web/studies"
    body = pack(film.read_bytes())
    trusted: dict[str, Any] = {"headers": {"Content-Type": KIND}, "verify": str(ours.certificate)}
    senders: list[dict[str, Any]] = [{}, {"cert": (str(strange.certificate), str(strange.key))}]
    try:
        assert endpoint.server.address.startswith("https://")
        for shown in senders:
            with pytest.raises(requests.ConnectionError):
                requests.post(address, body, timeout=20, **trusted, **shown)
        assert sum(endpoint.queue.count().values()) == 0
        answer = requests.post(address, body, timeout=20, cert=(str(ours.certificate), str(ours.key)), **trusted)
        assert answer.status_code == 200
        silent = socket.create_connection(("127.0.0.1", endpoint.port))  # no handshake comes: nobody waits for it
        answer = requests.post(address, body, timeout=20, cert=(str(ours.certificate), str(ours.key)), **trusted)
        assert answer.status_code == 200
        silent.close()
    finally:
        endpoint.server.stop()


def test_a_full_queue_asks_to_come_back_later(tmp_path: Path, film: Path) -> None:
    other = write_knee(tmp_path / "b.dcm", 101)
    endpoint = Endpoint(tmp_path / "queue", most_waiting=1)
    try:
        status, answer, _ = endpoint.ask(pack(film.read_bytes(), other.read_bytes()))
        assert status == 202 and reasons(answer, FAILED) == [0xA700]
        status, _, response = endpoint.ask(pack(other.read_bytes()))
        assert status == 503 and int(response.headers["Retry-After"]) > 0
    finally:
        endpoint.server.stop()


def test_a_body_is_asked_for_only_where_it_is_wanted(endpoint: Endpoint) -> None:
    head = (
        b"POST %s HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Type: %s\r\nContent-Length: 9\r\n\r\n"
    )
    assert endpoint.send_raw(head % (b"/other", KIND.encode())).startswith(b"HTTP/1.1 404")
    assert endpoint.send_raw(head % (b"/dicom-web/studies", KIND.encode())).startswith(b"HTTP/1.1 100")


def test_bodies_without_end_are_ended(endpoint: Endpoint, film: Path) -> None:
    def pieces(piece: bytes) -> Iterator[bytes]:
        yield b"--edge\r\n\r\n"
        while True:
            yield piece

    status, _, _ = endpoint.ask(pieces(b"x" * 100_000))
    assert status == 413
    status, _, _ = endpoint.ask(pieces(b"x" * 100_000), Content_Type="multipart/related; boundary=other")
    assert status == 400  # nothing before the first boundary is kept
    start = time.monotonic()
    head = f"POST /dicom-web/studies HTTP/1.1\r\nHost: localhost\r\nContent-Type: {KIND}\r\n"
    with socket.create_connection(("127.0.0.1", endpoint.port), timeout=20) as slow:
        slow.sendall(f"{head}Content-Length: 100\r\n\r\n--ed".encode())
        slow.recv(1000)  # nothing comes for the time of a piece
    assert time.monotonic() - start < 10
    assert endpoint.ask(pack(film.read_bytes()))[0] == 200


def test_connections_are_few(tmp_path: Path, film: Path) -> None:
    endpoint = Endpoint(tmp_path / "queue", most_associations=2, timeout_s=2.0)
    held = [socket.create_connection(("127.0.0.1", endpoint.port)) for _ in range(2)]
    try:
        time.sleep(0.3)
        assert endpoint.send_raw(b"GET / HTTP/1.1\r\n\r\n") == b""
        for connection in held:
            connection.close()
        time.sleep(0.3)
        assert endpoint.ask(pack(film.read_bytes()))[0] == 200
    finally:
        endpoint.server.stop()


def test_names_of_films_lead_nowhere_and_are_in_no_log(
    endpoint: Endpoint, tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    dataset: Any = dcmread(write_knee(tmp_path / "a.dcm"))
    before = {path for path in tmp_path.rglob("*") if "queue" not in path.parts}
    for uid in ("../../../evil", "/etc/passwd", "a\\b", "..", "1.2/../../3", "1" * 64):
        dataset.SOPInstanceUID = uid
        dataset.file_meta.MediaStorageSOPInstanceUID = uid
        content = BytesIO()
        dataset.save_as(content)
        status, answer, _ = endpoint.ask(pack(content.getvalue()))
        if "\\" in uid:  # two values
            assert status == 409
        else:
            assert status == 200 and uids(answer, STORED) == [uid]
    assert {path for path in tmp_path.rglob("*") if "queue" not in path.parts} == before
    assert {len(path.stem) for path in endpoint.queue.folder.rglob("*.dcm")} == {24}
    endpoint.ask(pack(dataset.SOPInstanceUID.encode()), f"/dicom-web/studies/{dataset.StudyInstanceUID}x")
    said = caplog.text + "".join(capsys.readouterr())
    words = (NAME, "Mustermann", "4711", "evil", "passwd", str(dataset.StudyInstanceUID), "1" * 64)
    assert hash_uid("1" * 64) in said and not [word for word in words if word in said]


def test_damaged_requests_are_refused_and_nothing_is_left_of_them(endpoint: Endpoint, film: Path) -> None:
    """A few hundred bodies with bytes changed, cut out and doubled; ``KNEEBUNDLE_FUZZ=5000`` tries as many."""
    rng = np.random.default_rng(0)
    good = pack(film.read_bytes()[:3000], b"x" * 50)
    head = f"POST /dicom-web/studies HTTP/1.1\r\nHost: localhost\r\nContent-Type: {KIND}\r\n".encode()
    statuses = set()
    for number in range(int(os.environ.get("KNEEBUNDLE_FUZZ", "200"))):
        body = bytearray(good)
        if number % 4 == 0:  # in chunks
            body = bytearray(b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in (good[:500], good[500:])) + b"0\r\n\r\n")
        for _ in range(rng.integers(1, 6)):
            place, size = int(rng.integers(0, len(body))), int(rng.integers(1, 40))
            change = rng.integers(0, 4)
            if change == 0:
                body[place : place + size] = rng.integers(0, 256, size, dtype=np.uint8).tobytes()
            elif change == 1:
                del body[place : place + size]
            elif change == 2:
                body[place:place] = b"\r\n--edge\r\n"
            else:
                body[place:place] = body[place : place + size]
        length = b"Transfer-Encoding: chunked\r\n" if number % 4 == 0 else b"Content-Length: %d\r\n" % len(body)
        answer = endpoint.send_raw(head + length + b"\r\n" + bytes(body))
        statuses.add(int(answer.split()[1]))
    assert {400, 409} <= statuses <= {200, 202, 400, 409, 413}
    assert not list(endpoint.queue.folder.glob("received/.*"))
    assert endpoint.ask(pack(film.read_bytes()))[0] == 200
