"""The whole files of each target are read, and one that is cut in half is an error in one line."""

from __future__ import annotations

import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kneebundle.errors import KneeBundleError
from kneebundle.evaluation import fuzz_targets
from kneebundle.evaluation.fuzz_targets import Opened, send_request


def read_all(opened: Opened, damaged: Path, *left_out: str) -> None:
    """Read each whole file under the name that a damaged copy of it has."""
    seeds, read = opened
    assert seeds
    for number, seed in enumerate(seeds):
        if not seed.name.startswith(left_out or "\n"):
            read(Path(shutil.copy(seed, damaged / f"damaged_{number}_{seed.name}")))


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    folder = tmp_path / "damaged"
    folder.mkdir()
    return folder


def test_whole_images_are_read(tmp_path: Path, damaged: Path) -> None:
    opened = fuzz_targets.open_images(tmp_path)
    read_all(opened, damaged, "grey.tif")
    with pytest.raises(KneeBundleError, match=r"grey.tif"):
        opened[1](tmp_path / "seeds/grey.tif")


def test_whole_images_are_predicted_in_all_formats(tmp_path: Path, damaged: Path) -> None:
    _, read = fuzz_targets.open_predictions(tmp_path)
    read(tmp_path / "seeds/plain.dcm")
    written = {path.suffix for path in (tmp_path / "out").iterdir()}
    assert {".json", ".csv", ".png", ".html", ".dcm", ".pts"} <= written
    (damaged / "half.dcm").write_bytes((tmp_path / "seeds/plain.dcm").read_bytes()[:3000])
    with pytest.raises(KneeBundleError):
        read(damaged / "half.dcm")
    assert not list((tmp_path / "out").glob("half*"))


def test_whole_tables_are_read(tmp_path: Path, damaged: Path) -> None:
    opened = fuzz_targets.open_tables(tmp_path)
    read_all(opened, damaged)
    for seed in opened[0]:
        table = damaged / f"damaged_9_{seed.name}"
        table.write_text(seed.read_text()[:3])  # the columns are missing
        with pytest.raises(KneeBundleError):
            opened[1](table)


def test_whole_files_of_other_programs_are_read(tmp_path: Path, damaged: Path) -> None:
    opened = fuzz_targets.open_exchanged(tmp_path)
    read_all(opened, damaged)
    for seed in opened[0]:
        file = damaged / f"damaged_9_{seed.name}"
        file.write_bytes(b"{" + seed.read_bytes()[:40])
        with pytest.raises(KneeBundleError):
            opened[1](file)


def test_an_output_folder_with_a_damaged_record_is_predicted_again(tmp_path: Path, damaged: Path) -> None:
    seeds, read = fuzz_targets.open_folders(tmp_path)
    record = next(seed for seed in seeds if seed.name == "knee0.json")
    read(Path(shutil.copy(record, damaged / f"damaged_0_{record.name}")))
    half = damaged / f"damaged_1_{record.name}"
    half.write_bytes(record.read_bytes()[:200])
    read(half)
    assert (tmp_path / "out/knee0.json").stat().st_size > 200


def test_the_bundle_as_installed_is_loaded_and_a_changed_one_is_not_trusted(tmp_path: Path, damaged: Path) -> None:
    opened = fuzz_targets.open_bundles(tmp_path)
    read_all(opened, damaged)
    changed = damaged / "damaged_9_inference.json"
    changed.write_text((tmp_path / "seeds/inference.json").read_text().replace("{", '{"more": 1,', 1))
    with pytest.raises(KneeBundleError, match="trust"):
        opened[1](changed)


def test_whole_requests_are_answered(tmp_path: Path, damaged: Path) -> None:
    opened = fuzz_targets.open_annotation_server(tmp_path)
    read_all(opened, damaged)
    (damaged / "none.http").write_bytes(b"GET /nothing HTTP/1.1\r\nHost: HOST\r\n\r\n")
    with pytest.raises(KneeBundleError):
        opened[1](damaged / "none.http")


@contextmanager
def answering(answer: bytes | None) -> Iterator[int]:
    """A server that says the same to everybody, or nothing for longer than is waited; gives its port."""
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                if answer is None:
                    ended.wait(5)
                else:
                    connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            ended.set()
            thread.join()


@pytest.mark.parametrize(
    ("answer", "error", "says"),
    [
        (b"", KneeBundleError, "the server hung up"),
        (b"HTTP/1.1 400 Bad\r\n\r\nno such page", KneeBundleError, "^no such page$"),
        (b'HTTP/1.1 422 Bad\r\n\r\n{"detail": "too long"}', KneeBundleError, "^too long$"),
        (b"HTTP/1.1 501 Unknown\r\n\r\n[]", KneeBundleError, r"^\[\]$"),
        (b"HTTP/1.1 500 Failed\r\n\r\nof all", AssertionError, "status 500: of all"),
        (b"HTTP/1.1 200 OK\r\n\r\nTraceback (most recent call last)", AssertionError, "status 200"),
        (b"HTTP/1.1 200 OK\r\n\r\nthe secret", AssertionError, "status 200"),
        (None, AssertionError, "no answer"),
    ],
)
def test_what_a_server_may_not_answer(answer: bytes | None, error: type[Exception], says: str) -> None:
    with answering(answer) as port, pytest.raises(error, match=says):
        send_request(
            b"POST / HTTP/1.1\r\nContent-Length: 7\r\n\r\nabc", port, ["secret"], seconds=0.3 if answer is None else 20
        )
