"""The server: who may ask, what is answered, and that nothing is lost or reached that should not be."""

from __future__ import annotations

import io
import json
import socket
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from kneebundle.annotation.server import LARGEST_BODY, AnnotationServer
from kneebundle.errors import KneeBundleError
from tests.annotation.conftest import Client
from tests.annotation.studies import NAMES

ADDRESSES = [
    ("GET", ""),
    ("GET", "page/app.js"),
    ("GET", "films"),
    ("GET", "films/both"),
    ("GET", "films/both/image?low=0&high=200"),
    ("POST", "films/both"),
]


def error_of(body: bytes) -> str:
    content = json.loads(body)
    assert "\n" not in content["error"]
    return str(content["error"])


@pytest.mark.parametrize(("method", "path"), ADDRESSES)
def test_every_address_needs_the_token_the_host_and_the_origin(client: Client, method: str, path: str) -> None:
    port = client.server.server_port
    for wrong in (
        {"token": "wrong"},
        {"token": ""},
        {"token": "%FF"},
        {"Host": f"evil.example:{port}"},
        {"Host": f"127.0.0.1.evil.example:{port}"},
        {"Host": f"127.0.0.1@evil.example:{port}"},
        {"Host": None},
        {"Origin": "http://evil.example"},
        {"Origin": f"http://127.0.0.1:{port + 1}"},
        {"Origin": "null"},
    ):
        status, headers, body = client.ask(method, path, {} if method == "POST" else None, **wrong)
        assert status == 403, wrong
        assert error_of(body) and client.server.token not in body.decode()
        assert "access-control-allow-origin" not in headers


def test_a_post_needs_an_origin_and_a_get_does_not(client: Client) -> None:
    assert client.ask("POST", "films/both", {}, Origin=None)[0] == 403
    assert client.ask("GET", "films", Origin=client.origin)[0] == 200
    # forwarded to another port of the user's machine
    assert client.ask("GET", "films", Host="localhost:9999", Origin="http://localhost:9999")[0] == 200


def test_it_listens_on_this_machine_alone(client: Client) -> None:
    assert client.server.server_address[0] == "127.0.0.1"
    assert client.server.address.startswith("http://127.0.0.1:")
    assert len(client.server.token) >= 32


@pytest.mark.parametrize("path", [path for method, path in ADDRESSES if method == "GET"])
def test_answers_forbid_what_a_page_does_not_need(client: Client, path: str) -> None:
    status, headers, _ = client.ask("GET", path)
    assert status == 200
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize(
    "path",
    [
        "films/nobody",
        "films/..%2fimages%2fboth",
        "films/../../etc/passwd",
        "films/%2e%2e%2fboth",
        "films/both/image/more",
        "page/",
        "page/nothing.js",
        "page/..%2fserver.py",
        "page/../server.py",
        "films/",
        "corrections",
    ],
)
def test_there_is_nothing_at_other_addresses(client: Client, path: str) -> None:
    for method in ("GET", "POST"):
        status, _, body = client.ask(method, path, {} if method == "POST" else None)
        assert status == 404 and error_of(body)


def test_other_methods_and_broken_requests_are_one_line(client: Client) -> None:
    for method in ("PUT", "DELETE", "OPTIONS", "HEAD"):
        status, headers, body = client.ask(method, "films")
        assert status == 501 and "access-control-allow-origin" not in headers
        assert method == "HEAD" or error_of(body)
    with socket.create_connection(("127.0.0.1", client.server.server_port), timeout=10) as raw:
        raw.sendall(b"rubbish\r\n\r\n")
        assert b"Bad request" in raw.recv(4096)
    assert client.get("films")  # it goes on


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{", {}, 400),
        (b"\xff\xfe", {}, 400),
        (b"[" * 100_000, {}, 400),
        (b'{"revision": NaN, "items": []}', {}, 400),
        (b"[]", {}, 400),
        (b"", {}, 400),
        (b"{}", {"Content-Type": "text/plain"}, 415),
        (b"{}", {"Content-Length": None}, 411),
        (b"{}", {"Content-Length": "-1"}, 411),
        (b"{}", {"Content-Length": "many"}, 411),
        (b"{}", {"Transfer-Encoding": "chunked"}, 411),
        (b" " * (LARGEST_BODY + 1), {}, 413),
        (b" " * 3_000_000, {}, 413),
        (b"{}", {"Content-Length": "9" * 12}, 413),
    ],
)
def test_a_wrong_body_is_one_line(client: Client, body: bytes, headers: dict[str, Any], status: int) -> None:
    found, _, answer = client.ask("POST", "films/both", body, **{k.replace("-", "_"): v for k, v in headers.items()})
    assert found == status and error_of(answer)
    assert not (client.server.corrections / "both.json").exists()


def test_the_list_and_the_page_are_there(client: Client) -> None:
    listed = client.get("films")
    assert [film["name"] for film in listed["films"]] == NAMES
    assert (listed["rater"], listed["broken"]) == ("Ann", [])
    status, headers, page = client.ask("GET", "")
    assert status == 200 and headers["content-type"].startswith("text/html")
    assert b"http:" not in page and b"https:" not in page  # nothing from elsewhere


def test_an_image_comes_with_the_greys_that_are_asked_for(client: Client) -> None:
    status, headers, body = client.ask("GET", "films/both/image?low=0&high=255")
    assert (status, headers["content-type"]) == (200, "image/png")
    picture = np.asarray(Image.open(io.BytesIO(body)))
    stored = np.asarray(Image.open(client.server.films.folder.parent / "images" / "both.png"))
    np.testing.assert_array_equal(picture, stored)
    for query in (
        "",
        "?low=1",
        "?low=2&high=1",
        "?low=1&high=1",
        "?low=nan&high=1",
        "?low=0&high=inf",
        "?low=a&high=b",
    ):
        status, _, body = client.ask("GET", f"films/both/image{query}")
        assert status == 400 and "two grey values" in error_of(body)


def test_an_image_that_is_gone_costs_no_other_one(client: Client) -> None:
    status, _, body = client.ask("GET", "films/gone/image?low=0&high=1")
    assert status == 422
    for said in (error_of(body), client.get("films/gone")["problem"]):
        assert "no longer there" in said and said.endswith("name it with --images")
    assert client.get("films/both")["items"]


def test_a_correction_is_saved_beside_the_prediction_which_stays(client: Client, study: Path) -> None:
    before = {path.name: path.read_bytes() for path in study.glob("*.json")}
    status, saved = client.save("both")
    assert (status, saved["revision"], saved["status"]) == (200, 1, "accepted")
    document = json.loads((study / "corrections" / "both.json").read_text())
    assert document["schema"] == "kneebundle/corrections/1"
    assert (document["rater"], document["prediction"]["file"]) == ("Ann", "both.json")
    assert {path.name: path.read_bytes() for path in study.glob("*.json")} == before
    assert sorted(path.name for path in (study / "corrections").glob("[!.]*")) == ["both.json"]
    assert client.get("films/both")["revision"] == 1
    assert client.get("films")["films"][0]["status"] == "accepted"


def test_the_second_of_two_tabs_gets_what_the_first_saved(client: Client) -> None:
    assert client.save("both")[0] == 200
    status, answer = client.save("both", revision=0)
    assert status == 409
    assert "Ann saved this radiograph" in answer["error"]
    assert answer["current"]["revision"] == 1 and len(answer["current"]["items"]) == 2
    assert client.save("both", revision=1)[1]["revision"] == 2


def test_of_many_saves_at_once_none_is_lost_unseen(client: Client) -> None:
    film = client.get("films/both")
    content = {"revision": 0, "items": [{"side": i["side"], "points": i["points"]} for i in film["items"]]}
    found: list[int] = []
    threads = [
        threading.Thread(target=lambda: found.append(client.ask("POST", "films/both", content)[0])) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [200] + [409] * 7


def test_a_broken_correction_is_said_and_not_overwritten(client: Client, study: Path) -> None:
    (study / "corrections").mkdir()
    path = study / "corrections" / "both.json"
    path.write_text("{")
    assert "both.json" in client.get("films")["broken"][0]
    assert "cannot be read as JSON" in client.get("films/both")["problem"]
    content = {"revision": 0, "items": [{"side": "R", "points": None}]}
    assert client.ask("POST", "films/both", content)[0] == 422
    assert path.read_text() == "{"


def test_a_folder_that_cannot_be_written_to_is_said(client: Client, study: Path) -> None:
    (study / "corrections").write_text("a file")
    status, _, body = client.ask("POST", "films/none", {"revision": 0, "items": [], "status": "accepted"})
    assert status == 422 and "cannot be written" in error_of(body)


def test_a_port_that_is_taken_is_one_line(client: Client, study: Path) -> None:
    with pytest.raises(KneeBundleError, match=f"port {client.server.server_port} cannot be had") as raised:
        AnnotationServer(study, client.server.server_port)
    assert raised.value.field == "port"


def test_an_error_of_the_program_is_one_line_and_the_server_goes_on(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("by\nnothing")

    monkeypatch.setattr("kneebundle.annotation.server.describe_film", fail)
    status, _, body = client.ask("GET", "films/both")
    assert (status, error_of(body)) == (500, "unexpected ZeroDivisionError: by nothing; please report it")
    assert client.ask("GET", "films")[0] == 200


def test_a_tab_that_was_closed_is_not_reported_and_anything_else_is(
    client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    for error, reported in ((BrokenPipeError("gone"), False), (TimeoutError("slow"), False), (KeyError("a"), True)):
        try:
            raise error
        except (OSError, KeyError):
            client.server.handle_error(None, ("127.0.0.1", 1))
        assert bool(capsys.readouterr().err) is reported


def test_an_image_that_is_gone_when_it_is_saved_is_named(client: Client, study: Path) -> None:
    film = client.get("films/both")
    (study.parent / "images/both.png").unlink()
    client.server.films._opened.clear()
    status, _, body = client.ask("POST", "films/both", {"revision": 0, "status": "accepted", "items": film["items"]})
    assert status == 422 and "no longer there" in error_of(body)
