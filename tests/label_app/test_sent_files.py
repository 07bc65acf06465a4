"""Which files of the server a request may be about."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from kneebundle.errors import KneeBundleError
from kneebundle.label_app.sent_files import check_label_file, check_name, is_sent_file, list_folders


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    return tmp_path / "temporary"


def test_a_file_that_came_with_the_request(temporary: Path) -> None:
    with tempfile.NamedTemporaryFile(suffix=".nii.gz") as file:
        assert is_sent_file(file.name)
    assert not is_sent_file(file.name), "it is gone"


def test_other_files_are_none_whether_they_are_there_or_not(temporary: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.png").touch()
    (temporary / "film.png").touch()
    (temporary / "tmpabcd1234").mkdir()
    (temporary / "tmpabcd1235.png").symlink_to(tmp_path / "secret.png")
    for path in (
        tmp_path / "secret.png",
        temporary / "film.png",
        temporary / "tmpabcd1234",
        temporary / "tmpabcd1235.png",
        f"{temporary}/../secret.png",
        "/etc/hostname",
        "knee",
        "",
        "x\0y",
    ):
        assert not is_sent_file(str(path)), path


def test_a_file_of_a_session(tmp_path: Path) -> None:
    folder = tmp_path / "sessions"
    assert is_sent_file(str(folder / "1234" / "film.png"), str(folder))
    assert not is_sent_file(str(folder / "1234" / ".." / ".." / "film.png"), str(folder))
    assert not is_sent_file(str(folder.with_name("sessions2") / "1" / "film.png"), str(folder))


@pytest.mark.parametrize("name", ["..", ".hidden", "a/b", "a\\b", "x\0", "a\nb", "x" * 101])
def test_names_that_lead_elsewhere(name: str) -> None:
    with pytest.raises(KneeBundleError, match="cannot be a name"):
        check_name(name)


def test_names_of_people_are_names() -> None:
    check_name("Knie_Müller 2")


@pytest.mark.parametrize(
    ("name", "content"),
    [("x.py", b"print(1)"), ("x", b"{}"), ("x.nrrd", b"text"), ("x.nii", b"text"), ("x.txt", b"")],
)
def test_what_is_no_label_replaces_none(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(KneeBundleError, match="neither points nor a mask"):
        check_label_file(tmp_path / name)


def test_labels_are_points_or_masks(tmp_path: Path) -> None:
    (tmp_path / "a.mrk.json").write_text("{}")
    (tmp_path / "a.seg.nrrd").write_bytes(b"NRRD0004\n")
    (tmp_path / "a.nii").write_bytes(bytes(344) + b"n+1\0")
    assert [check_label_file(tmp_path / name) for name in ("a.mrk.json", "a.seg.nrrd", "a.nii")] == [True, False, False]


def test_folders_of_the_server_are_listed_with_what_their_links_lead_to(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    folders = dict(list_folders(str(tmp_path / "app"), str(tmp_path / "link")))
    assert folders[str(tmp_path / "link")] == folders[str(tmp_path / "real")] == "studies"
    assert "http://pacs" not in dict(list_folders(str(tmp_path), "http://pacs"))
