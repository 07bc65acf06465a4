"""The lock of an output folder, and whose it is."""

from __future__ import annotations

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


@pytest.mark.parametrize("name", ["images/b.png", "landmarks.csv"])
def test_a_data_set_of_others_is_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("mine")
    with pytest.raises(KneeBundleError, match="there is a data set in this folder already"):
        hold(tmp_path, seed=1)
    assert not (tmp_path / ".kneebundle").exists()
