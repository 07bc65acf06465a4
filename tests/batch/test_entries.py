"""Notes about results: one that is damaged, of another version or not there says nothing good of its files."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from kneebundle.batch.entries import Entries, Entry, describe_file
from kneebundle.io.file_content import read_state

KEYS = ("a", "b", "c")


@pytest.fixture
def entries(tmp_path: Path) -> Entries:
    return Entries(tmp_path)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    path = tmp_path / "in/film.png"
    path.write_bytes(b"film")
    old = path.stat().st_mtime - 100
    os.utime(path, (old, old))
    return path


def place(tmp_path: Path) -> Path:
    (found,) = (path for path in tmp_path.rglob("film.json") if path.is_file())
    return found


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "{}", "[" * 100_000])
def test_a_damaged_entry_is_none_and_costs_no_other(entries: Entries, tmp_path: Path, text: str) -> None:
    entries.write("film", Entry(KEYS))
    entries.write("other", Entry(KEYS))
    place(tmp_path).write_text(text)
    assert entries.read("film") is None
    assert entries.read_all() == {"film": Entry(), "other": Entry(KEYS)}


def test_an_entry_of_another_version_is_none(entries: Entries, tmp_path: Path) -> None:
    entries.write("film", Entry(KEYS))
    content = json.loads(place(tmp_path).read_text())
    place(tmp_path).write_text(json.dumps({**content, "schema": "another/1"}))
    assert entries.read("film") is None


def test_without_its_entry_no_result_is_intact_or_current(entries: Entries, image: Path) -> None:
    state = read_state(image)
    assert state is not None
    entry = Entry(KEYS, {}, source=entries.hash_source(image), state=state)
    assert not entries.is_intact("film", entry) and not entries.is_current("film", entry, image, state)
    entries.write("film", entry)
    assert entries.is_intact("film", entry) and entries.is_current("film", entry, image, state)
    entries.remove("film")
    assert not entries.is_intact("film", entry) and not entries.is_current("film", entry, image, state)


def test_a_result_whose_source_is_not_known_is_not_current(entries: Entries, image: Path) -> None:
    state = read_state(image)
    assert state is not None
    entries.write("film", Entry(KEYS, {}))
    assert not entries.is_current("film", Entry(KEYS, {}), image, state)


def test_a_file_that_is_not_there_has_no_mark(tmp_path: Path, image: Path) -> None:
    assert describe_file(tmp_path / "none") is None and describe_file(tmp_path) is None
    size, digest = describe_file(image) or (0, "")
    assert (size, len(digest)) == (4, 64)
