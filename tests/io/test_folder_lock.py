"""The lock of an output folder, and whose it is."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kneebundle.errors import KneeBundleError
from kneebundle.io.data_set_folder import hold_data_set
from kneebundle.io.folder_lock import check_owner, hold_folder, mark_folder

HOLDER = """
import sys, time
from pathlib import Path
from kneebundle.io.folder_lock import hold_folder
with hold_folder(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_process_that_was_killed_holds_nothing(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDER, tmp_path], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        match = f"process {holder.pid}, since 20"
        with pytest.raises(KneeBundleError, match=match), hold_folder(tmp_path, "fail"):
            pass
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    assert (tmp_path / ".kneebundle/owner.json").exists(), "it could not clean up"
    with hold_folder(tmp_path, "fail"):
        pass


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    match = r"cannot make the output folder \(Not a directory\)"
    with pytest.raises(KneeBundleError, match=match) as raised, hold_folder(tmp_path / "file/out"):
        pass
    assert raised.value.field == "output"


def test_an_unused_folder_is_taken_away_and_a_used_one_stays(tmp_path: Path) -> None:
    with hold_folder(tmp_path / "a"):
        pass
    assert not (tmp_path / "a").exists()
    with hold_folder(tmp_path / "a"):
        mark_folder(tmp_path / "a", "predict")
    assert check_owner(tmp_path / "a", "predict")
    with pytest.raises(KneeBundleError, match="what kneebundle predict wrote, and kneebundle register needs"):
        check_owner(tmp_path / "a", "register")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": "kneebundle/folder/1"}', "[" * 100_000])
def test_a_damaged_mark_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / ".kneebundle").mkdir()
    (tmp_path / ".kneebundle/folder.json").write_text(text)
    assert not check_owner(tmp_path, "predict")


def hold(folder: Path, **settings: int) -> None:
    with hold_data_set(folder, "synthesize", settings, ["images"], ["landmarks.csv"]):
        (folder / "images").mkdir(exist_ok=True)
        (folder / "images/a.png").write_text("")


def test_one_data_set_a_folder(tmp_path: Path) -> None:
    hold(tmp_path / "a", seed=1)
    hold(tmp_path / "a", seed=1)
    with pytest.raises(KneeBundleError, match="a data set that was made with seed 1; another one needs another folder"):
        hold(tmp_path / "a", seed=2)


def fail(folder: Path, error: Exception, made: bool = False) -> None:
    with hold_data_set(folder, "synthesize", {}, ["x/images"], ["x/a.csv"]):
        (folder / "x/images").mkdir(parents=True)
        if made:
            (folder / "x/images/a.png").write_text("")
        raise error


@pytest.mark.parametrize("made", [False, True])
def test_a_data_set_that_fails_before_its_first_file_leaves_nothing(tmp_path: Path, made: bool) -> None:
    folder = tmp_path / "a/b"
    with pytest.raises(KneeBundleError, match="no"):
        fail(folder, KneeBundleError("no"), made)
    assert check_owner(folder, "synthesize") == made
    assert (tmp_path / "a").exists() == made


def test_a_full_disk_names_the_folder(tmp_path: Path) -> None:
    with pytest.raises(KneeBundleError, match="No space left on device.*; what is done stays done") as raised:
        fail(tmp_path / "a", OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    assert (raised.value.path, raised.value.field) == (str(tmp_path / "a"), "full")
    assert not (tmp_path / "a").exists()


def test_a_folder_that_was_there_stays(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(KneeBundleError), hold_data_set(tmp_path, "synthesize", {}, ["images"], ["a.csv"]):
        raise KneeBundleError("no")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images", "notes.txt"]


@pytest.mark.parametrize("name", ["images/b.png", "landmarks.csv"])
def test_a_data_set_of_others_is_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("mine")
    with pytest.raises(KneeBundleError, match="there is a data set in this folder already"):
        hold(tmp_path, seed=1)
    assert not (tmp_path / ".kneebundle").exists()
