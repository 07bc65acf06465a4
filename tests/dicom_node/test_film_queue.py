"""The queue: a film is in one place at any moment, also after a kill between any two steps."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from kneebundle.dicom_node.film_queue import FilmQueue, hash_uid

KEY = hash_uid("1.2.3")


def process(queue: FilmQueue, refused: dict[str, str] | None = None) -> None:
    film = queue.take()
    assert film is not None
    (queue.make_room(film.stem) / "sr.dcm").write_bytes(b"sr")
    results = queue.hand_over(film, {"objects": ["sr"]})
    for item in queue.list_unsent(results):
        if not refused:
            queue.mark_sent(item)
    queue.finish_sending(results, refused or {})


def test_a_film_goes_through_and_leaves_nothing_of_the_patient(tmp_path: Path) -> None:
    queue = FilmQueue(tmp_path)
    assert queue.add("1.2.3", b"Mustermann")
    assert queue.count() == {"received": 1, "working": 0, "sending": 0, "done": 0, "failed": 0}
    assert stat.S_IMODE((tmp_path / "received" / f"{KEY}.dcm").stat().st_mode) == 0o600
    process(queue)
    assert queue.count() == {"received": 0, "working": 0, "sending": 0, "done": 1, "failed": 0}
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [f"{KEY}.json"]
    assert queue.read_state("done", KEY) == {
        "schema": "kneebundle/dicom_node/1",
        "film": KEY,
        "film_sha256": queue.read_state("done", KEY)["film_sha256"],  # type: ignore[index]
        "objects": ["sr"],
    }


def test_a_film_that_comes_again_is_taken_once_wherever_it_is(tmp_path: Path) -> None:
    queue = FilmQueue(tmp_path)
    assert queue.add("1.2.3", b"a")
    assert not queue.add("1.2.3", b"a")
    film = queue.take()
    assert film is not None and not queue.add("1.2.3", b"a")
    queue.make_room(KEY)
    results = queue.hand_over(film, {})
    assert not queue.add("1.2.3", b"a")
    queue.finish_sending(results, {})
    assert not queue.add("1.2.3", b"b")
    assert queue.add("1.2.4", b"a")


def test_a_failed_film_is_taken_again_only_as_another_file(tmp_path: Path) -> None:
    queue = FilmQueue(tmp_path)
    queue.add("1.2.3", b"broken")
    film = queue.take()
    assert film is not None
    queue.fail(film, "it is broken")
    assert not queue.add("1.2.3", b"broken")
    assert queue.count()["failed"] == 1
    assert queue.add("1.2.3", b"whole")
    assert queue.count() == {"received": 1, "working": 0, "sending": 0, "done": 0, "failed": 0}
    assert queue.count_tries(KEY) == 0


class KilledError(BaseException):
    """Instead of kill -9."""


@pytest.mark.parametrize("refused", [{}, {"sr": "status 0xC000"}], ids=["done", "refused"])
def test_a_kill_between_any_two_steps_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: dict[str, str]
) -> None:
    """Each rename is a step: the process dies after the first, the second, ... and a new one goes on."""
    steps = 0
    for die_after in range(1, 30):
        folder = tmp_path / str(die_after)
        queue = FilmQueue(folder)
        queue.add("1.2.3", b"film")
        left = die_after
        rename, replace, unlink = Path.rename, Path.replace, Path.unlink

        def step(how: object, *args: object, **options: object) -> object:
            nonlocal left
            if left == 0:
                raise KilledError
            left -= 1
            return how(*args, **options)  # type: ignore[operator]

        with monkeypatch.context() as patch:
            patch.setattr(Path, "rename", lambda *a: step(rename, *a))  # noqa: B023
            patch.setattr(Path, "replace", lambda *a: step(replace, *a))  # noqa: B023
            patch.setattr(Path, "unlink", lambda *a, **o: step(unlink, *a, **o))  # noqa: B023
            try:
                process(queue, refused)
            except KilledError:
                steps += 1
        again = FilmQueue(folder)
        again.recover()
        while again.count()["received"]:
            process(again, refused)
        for results in again.list_sending():
            for item in again.list_unsent(results):
                if not refused:
                    again.mark_sent(item)
            again.finish_sending(results, refused)
        folder_of = "failed" if refused else "done"
        assert again.count() == {**dict.fromkeys(again.count(), 0), folder_of: 1}, die_after
        left_files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
        kept = {f"failed/{KEY}/sr.dcm", f"failed/{KEY}/film.json"} if refused else set()
        assert left_files == {f"{folder_of}/{KEY}.json", *kept}, die_after
    assert steps > 5


def test_tries_are_counted_over_kills(tmp_path: Path) -> None:
    FilmQueue(tmp_path).add("1.2.3", b"film")
    for number in (1, 2, 3):
        queue = FilmQueue(tmp_path)
        assert queue.recover() == (number > 1)
        assert queue.take() is not None
        assert queue.count_tries(KEY) == number


def test_what_the_pacs_refused_is_sent_again_when_asked(tmp_path: Path) -> None:
    queue = FilmQueue(tmp_path)
    queue.add("1.2.3", b"film")
    process(queue, {"sr": "status 0xC000"})
    assert queue.read_state("failed", KEY)["reason"] == "the PACS refused sr: status 0xC000"  # type: ignore[index]
    assert not queue.add("1.2.3", b"another file")
    again = FilmQueue(tmp_path)
    again.recover(retry_failed=True)
    assert again.count() == {"received": 0, "working": 0, "sending": 1, "done": 0, "failed": 0}
    (results,) = again.list_sending()
    assert [path.name for path in again.list_unsent(results)] == ["sr.dcm"]


def test_a_full_disk_leaves_no_half_film(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    queue = FilmQueue(tmp_path)

    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space"):
        queue.add("1.2.3", b"film")
    assert list((tmp_path / "received").iterdir()) == []


def test_files_of_states_are_json_of_one_line(tmp_path: Path) -> None:
    queue = FilmQueue(tmp_path, keep_films=True)
    queue.add("1.2.3", b"film")
    process(queue)
    assert (tmp_path / "done" / f"{KEY}.dcm").read_bytes() == b"film"
    assert json.loads((tmp_path / "done" / f"{KEY}.json").read_text())["film"] == KEY


def test_a_film_put_back_waits_again_unless_it_has_results(tmp_path: Path) -> None:
    queue = FilmQueue(tmp_path)
    queue.add("1.2.3", b"film")
    film = queue.take()
    assert film is not None
    queue.put_back(film)
    assert (queue.count()["received"], queue.count_tries(KEY)) == (1, 0)
    film = queue.take()
    assert film is not None
    queue.make_room(KEY)
    queue.hand_over(film, {})
    film.write_bytes(b"film")  # as if it could not be removed
    queue.put_back(film)
    assert queue.count() == {"received": 0, "working": 0, "sending": 1, "done": 0, "failed": 0}
