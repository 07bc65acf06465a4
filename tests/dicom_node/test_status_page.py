"""The status page: its addresses, who may ask, and a port that is taken."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from kneebundle.dicom_node.counters import Counters
from kneebundle.dicom_node.film_queue import FilmQueue
from kneebundle.dicom_node.status_page import StatusPage
from kneebundle.errors import KneeBundleError


@pytest.fixture
def page(tmp_path: Path) -> Iterator[StatusPage]:
    with StatusPage(0, FilmQueue(tmp_path / "queue"), Counters()) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def ask(page: StatusPage, path: str, host: str | None = None) -> tuple[int, str]:
    port = int(page.server_address[1])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path, headers={"Host": host or f"127.0.0.1:{port}"})
    answer = connection.getresponse()
    found = answer.status, answer.read().decode()
    connection.close()
    return found


def test_each_address_says_its_own_and_others_nothing(page: StatusPage) -> None:
    assert ask(page, "/health") == (200, "ok\n")
    assert ask(page, "/health", "localhost:80") == (200, "ok\n")
    status, text = ask(page, "/")
    assert status == 200 and "PACS: not tried yet." in text and "Films are looked for" not in text
    status, text = ask(page, "/metrics")
    assert status == 200 and "# TYPE" in text
    assert ask(page, "/queue") == (404, "no such page\n")


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:80", "10.0.0.1"])
def test_a_page_that_gave_this_machine_another_name_is_told_nothing(page: StatusPage, host: str) -> None:
    for path in ("/", "/metrics", "/health"):
        assert ask(page, path, host) == (403, "this machine only\n")


def test_a_port_that_is_taken_is_an_error(page: StatusPage) -> None:
    port = int(page.server_address[1])
    with pytest.raises(KneeBundleError, match=f"port {port} is not free") as raised:
        StatusPage(port, page.queue, page.counters)
    assert raised.value.field == "status_port"
