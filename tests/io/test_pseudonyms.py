"""Salts: where they lie, and what becomes of one that is not there, is no salt, or belongs to another folder."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from kneebundle.errors import KneeBundleError
from kneebundle.io.folder_lock import mark_folder
from kneebundle.io.pseudonyms import SETTING, Pseudonyms, open_account_pseudonyms, open_pseudonyms


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    return tmp_path / "settings"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "out"
    path.mkdir()
    return path


def mark(folder: Path, known: str | None) -> None:
    mark_folder(folder, "predict", {} if known is None else {SETTING: known})


def test_a_folder_keeps_its_pseudonyms_and_only_this_account_can_read_the_salt(folder: Path, settings: Path) -> None:
    made = open_pseudonyms(folder, True)
    assert made is not None
    mark(folder, made.mark)
    again = open_pseudonyms(folder, True)
    assert again is not None and again.name_patient("a") == made.name_patient("a")
    (salt,) = [path for path in settings.rglob("*") if path.is_file()]
    assert stat.S_IMODE(salt.stat().st_mode) == 0o600 and not any(folder.glob("*salt*"))
    salt.unlink()
    with pytest.raises(KneeBundleError, match="the salt of its pseudonyms is not on this account"):
        open_pseudonyms(folder, True)


def test_paths_and_pseudonyms_do_not_come_into_one_folder(folder: Path, settings: Path) -> None:
    mark(folder, None)
    assert open_pseudonyms(folder, False) is None
    with pytest.raises(KneeBundleError, match="its results are under paths"):
        open_pseudonyms(folder, True)
    mark(folder, "0" * 32)
    with pytest.raises(KneeBundleError, match="its results are under pseudonyms"):
        open_pseudonyms(folder, False)


@pytest.mark.parametrize("known", ["", "../../salts/account", "g" * 32])
def test_a_mark_that_names_no_salt_is_not_looked_for(folder: Path, settings: Path, known: str) -> None:
    mark(folder, known)
    with pytest.raises(KneeBundleError, match="does not say with which salt"):
        open_pseudonyms(folder, True)


@pytest.mark.parametrize(
    ("content", "reason"),
    [("00" * 16, "this is no salt"), ("secret", "64 hexadecimal digits are needed"), ("é" * 64, "cannot be read")],
)
def test_a_file_that_is_no_salt_is_an_error(
    folder: Path, tmp_path: Path, settings: Path, content: str, reason: str
) -> None:
    (tmp_path / "salt").write_text(content, encoding="utf-8")
    with pytest.raises(KneeBundleError, match=reason) as raised:
        open_pseudonyms(folder, True, tmp_path / "salt")
    assert raised.value.field == "salt" and content not in str(raised.value)


def test_a_salt_is_of_its_folder_and_lies_beside_it(folder: Path, tmp_path: Path, settings: Path) -> None:
    with pytest.raises(KneeBundleError, match="must not lie in the output folder"):
        open_pseudonyms(folder, True, folder / "salt")
    made = open_pseudonyms(folder, True, tmp_path / "salt")
    assert made is not None
    mark(folder, made.mark)
    (tmp_path / "other").write_text("11" * 32)
    with pytest.raises(KneeBundleError, match="were made with another salt"):
        open_pseudonyms(folder, True, tmp_path / "other")
    (tmp_path / "file").touch()
    with pytest.raises(KneeBundleError, match="the salt cannot be written"):
        open_pseudonyms(tmp_path / "new", True, tmp_path / "file" / "salt")


def test_an_account_has_the_same_pseudonyms_each_time_or_new_ones(settings: Path) -> None:
    first, second = open_account_pseudonyms(), open_account_pseudonyms()
    assert first.name_patient("a") == second.name_patient("a")
    (settings / "kneebundle/salts/account").write_text("damaged")
    new = [open_account_pseudonyms().name_patient("a") for _ in range(2)]
    assert len({*new, first.name_patient("a")}) == 3


def test_a_short_name_is_not_taken_out_of_every_word() -> None:
    assert (
        Pseudonyms(bytes(32)).clean("a knee on film a.png cannot be read", Path("/a.png")).startswith("a knee on film ")
    )
