"""What a node can be told, and TLS."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from kneebundle.dicom_node.node_settings import NodeSettings, Peer, TlsFiles
from kneebundle.errors import KneeBundleError
from tests.dicom_node.fakes import FakePacs, count, find_free_port, running_node, send, wait_for, write_knee


def test_addresses_are_parsed() -> None:
    assert Peer.parse("MY PACS@[::1]:104") == Peer("MY PACS", "::1", 104)


@pytest.mark.parametrize(
    "text",
    ["", "PACS", "PACS@host", "host:104", "PACS@host:0", "PACS@host:70000", "PACS@:104", "PACSPACSPACSPACS1@h:1"],
)
def test_an_address_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(KneeBundleError):
        Peer.parse(text)


@pytest.mark.parametrize("change", [{"allowed": []}, {"allowed": ["A\\B"]}, {"objects": ["pdf"]}, {"objects": []}])
def test_settings_are_checked(change: dict[str, list[str]]) -> None:
    known: dict[str, Any] = {"pacs": Peer("PACS", "host", 104), "allowed": ["A"]}
    with pytest.raises(KneeBundleError):
        NodeSettings(**{**known, **change})


def make_certificate(folder: Path, name: str) -> TlsFiles:
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    call = f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN={name} -keyout {key} -out {certificate}"
    subprocess.run(
        [*call.split(), "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"], check=True, capture_output=True
    )
    return TlsFiles(certificate, key, certificate)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_films_come_and_results_go_by_tls_between_known_certificates(tmp_path: Path) -> None:
    pytest.importorskip("pynetdicom")
    ours, strange = make_certificate(tmp_path, "ours"), make_certificate(tmp_path, "strange")
    film, queue = write_knee(tmp_path / "a.dcm"), tmp_path / "queue"
    pacs = FakePacs(find_free_port(), tls=ours.make_context(server=True))
    port_of_pacs = pacs._server.socket.getsockname()[1]
    with running_node(queue, port_of_pacs, tls=ours, pacs_tls=ours) as (_, port, _page):
        assert send(port, [film]) == [None]  # without TLS
        unknown = strange.make_context(server=False)
        unknown.load_verify_locations(ours.certificate)
        assert send(port, [film], tls=unknown) == [None]
        assert send(port, [film], tls=ours.make_context(server=False)) == [0]
        wait_for(lambda: count(queue)["done"])
    pacs.stop()
    assert len(pacs.stored) == 3


def test_files_that_are_no_certificates_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.pem").write_text("no certificate")
    with pytest.raises(KneeBundleError, match=r"a\.pem: the files for TLS cannot be used"):
        TlsFiles(tmp_path / "a.pem", tmp_path / "a.key", tmp_path / "a.pem").make_context(server=True)
