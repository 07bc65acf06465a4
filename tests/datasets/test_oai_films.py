"""Where the films of the OAI are: trees as they are given out, archives, tables that went through spreadsheets."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kneebundle.datasets.oai_films import SERIES, OaiFilm, find_films, open_film
from kneebundle.errors import KneeBundleError
from kneebundle.io.dicom_writing import write_dicom
from kneebundle.io.reading import read_radiograph

PIXELS = np.arange(64 * 64).reshape(64, 64) % 4000
SUBJECT = "9000099"
FOLDER = f"0.C.2/{SUBJECT}/20050921/00391503"


def write_film(folder: Path, series: str | None = SERIES, modality: str = "DX", body: str = "KNEE") -> Path:
    folder.mkdir(parents=True)
    attributes = {"Modality": modality, "BodyPartExamined": body}
    if series:
        attributes["SeriesDescription"] = series
    write_dicom(folder / "001", PIXELS, (0.4, 0.4), view="pa-bilateral", attributes=attributes)
    return folder / "001"


def pack(folder: Path, name: str = "00391503/001") -> Path:
    """A series as the OAI gives it out."""
    archive = folder.with_name(folder.name + ".tar.gz")
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(folder / "001", name)
    (folder / "001").unlink()
    folder.rmdir()
    return archive


def find(oai: Path, subject: str = SUBJECT) -> OaiFilm | str:
    films, reasons = find_films(oai, {subject: None})
    return films.get(subject) or reasons[subject]


def test_a_tree_without_contents(tmp_path: Path) -> None:
    film = write_film(tmp_path / FOLDER)
    write_film(tmp_path / f"0.C.2/{SUBJECT}/20050921/00391502", "PA Right Hand")
    write_film(tmp_path / f"0.C.2/{SUBJECT}/20050921/00391501", None, modality="MR")
    write_film(tmp_path / f"0.C.2/{SUBJECT}/20050921/00391500", None, body="HAND")
    write_film(tmp_path / f"1.C.2/{SUBJECT}/20060921/00091503")
    write_film(tmp_path / "0.C.2/9000798/20050921/00391504")
    assert find(tmp_path) == OaiFilm(film)
    assert find(tmp_path / "0.C.2") == OaiFilm(film)
    (tmp_path / "00m").mkdir()
    (tmp_path / "0.C.2").rename(tmp_path / "00m" / "0.C.2")
    assert find(tmp_path) == OaiFilm(tmp_path / "00m" / FOLDER / "001")


def test_the_view_tells_where_no_series_is_named(tmp_path: Path) -> None:
    film = write_film(tmp_path / FOLDER, series=None)
    assert find(tmp_path) == OaiFilm(film)


def test_films_of_later_visits_are_not_taken(tmp_path: Path) -> None:
    write_film(tmp_path / f"1.C.2/{SUBJECT}/20060921/00091503")
    assert "later visits only" in str(find(tmp_path))


def test_a_tree_with_other_films_only(tmp_path: Path) -> None:
    write_film(tmp_path / FOLDER, "PA Right Hand")
    assert find(tmp_path) == f"no file of this subject is a '{SERIES}' by its header"
    with pytest.raises(KneeBundleError, match="no folder of any of the 1 annotated subjects"):
        find(tmp_path, "9000001")
    with pytest.raises(KneeBundleError, match="no such folder"):
        find(tmp_path / "away")


@pytest.mark.parametrize("listed", [True, False])
def test_archives_are_read_where_they_are(tmp_path: Path, listed: bool) -> None:
    write_film(tmp_path / FOLDER)
    archive = pack(tmp_path / FOLDER)
    if listed:
        (tmp_path / "contents.csv").write_text(f"ParticipantID,Folder,SeriesDescription\n{SUBJECT},{FOLDER},{SERIES}\n")
    found = find(tmp_path)
    assert isinstance(found, OaiFilm) and found.path == archive
    with open_film(found) as path:
        assert read_radiograph(path).pixels.shape == (64, 64)
    assert not path.exists()
    assert [p.name for p in archive.parent.iterdir()] == [archive.name]


@pytest.mark.parametrize("name", ["../../001", "/tmp/kneebundle-outside/001"])
def test_an_archive_writes_nowhere_else(tmp_path: Path, name: str) -> None:
    write_film(tmp_path / FOLDER)
    pack(tmp_path / FOLDER, name)
    before = sorted(tmp_path.rglob("*"))
    found = find(tmp_path)
    assert isinstance(found, OaiFilm)
    with open_film(found) as path:
        assert path.is_file()
    assert sorted(tmp_path.rglob("*")) == before
    assert not Path("/tmp/kneebundle-outside").exists()


def test_links_in_an_archive_are_not_followed(tmp_path: Path) -> None:
    folder = tmp_path / FOLDER
    folder.parent.mkdir(parents=True)
    with tarfile.open(f"{folder}.tar.gz", "w:gz") as tar:
        link = tarfile.TarInfo("00391503/001")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
        tar.addfile(link)
    assert isinstance(find(tmp_path), str)


@pytest.mark.parametrize("damage", ["cut", "text", "empty"])
def test_a_damaged_archive_is_said(tmp_path: Path, damage: str) -> None:
    write_film(tmp_path / FOLDER)
    archive = pack(tmp_path / FOLDER)
    content = archive.read_bytes()
    archive.write_bytes({"cut": content[: len(content) // 2], "text": b"no archive", "empty": b""}[damage])
    assert "the archive cannot be read" in str(find(tmp_path))
    with pytest.raises(KneeBundleError, match="the archive cannot be read"), open_film(OaiFilm(archive, -1)):
        pass


def test_an_archive_that_unpacks_to_far_more_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / FOLDER / "a.tar"
    archive.parent.mkdir(parents=True)
    member = tarfile.TarInfo("x")
    member.size = 1 << 40
    archive.write_bytes(member.tobuf() + bytes(1024))
    assert "more than a series" in str(find(tmp_path))


@pytest.mark.parametrize(
    ("participant", "folder"),
    [
        (SUBJECT, FOLDER.replace("/", "\\")),
        ("9000099.0", FOLDER),
        ("9.000099E+06", f"{FOLDER}/"),
        (SUBJECT, "D:\\OAI\\" + FOLDER.replace("/", "\\")),
        (SUBJECT, f"/data/oai/00m/{FOLDER}"),
    ],
)
def test_contents_as_other_machines_and_spreadsheets_write_them(tmp_path: Path, participant: str, folder: str) -> None:
    film = write_film(tmp_path / FOLDER)
    (tmp_path / "contents.csv").write_text(f"ParticipantID,Folder,SeriesDescription\n{participant},{folder},{SERIES}\n")
    assert find(tmp_path) == OaiFilm(film)


@pytest.mark.parametrize("folder", ["../secret", "/etc", "C:\\x", "0.C.2/../../x"])
def test_contents_name_nothing_outside(tmp_path: Path, folder: str) -> None:
    (tmp_path / "contents.csv").write_text(f"ParticipantID,Folder,SeriesDescription\n{SUBJECT},{folder},{SERIES}\n")
    with pytest.raises(KneeBundleError, match="line 2: Folder is .*; one inside this folder is needed"):
        find(tmp_path)


def test_nonsense_instead_of_films_is_passed_over(tmp_path: Path) -> None:
    folder = tmp_path / FOLDER
    folder.mkdir(parents=True)
    (folder / "001").write_bytes(b"\x08\x00\x05\x00CS" + bytes(300))
    with tarfile.open(folder / "x.tar.gz", "w:gz") as tar:
        member = tarfile.TarInfo("001")
        member.size = 3
        tar.addfile(member, io.BytesIO(b"abc"))
    assert isinstance(find(tmp_path), str)


def test_the_folder_of_a_subject_is_enough(tmp_path: Path) -> None:
    film = write_film(tmp_path / FOLDER)
    (film.parent / "notes.txt").write_text("no film")
    assert find(tmp_path / "0.C.2" / SUBJECT) == OaiFilm(film)
    (film.parent / "notes.txt").unlink()
    archive = pack(film.parent, "00391503/002")
    assert "by its header" in str(find(tmp_path / "0.C.2" / SUBJECT)), "a film is called 001"
    with pytest.raises(KneeBundleError, match="the archive has no file 001"), open_film(OaiFilm(archive, 7)):
        pass


def test_an_archive_in_the_place_of_the_subjects_folder_is_read(tmp_path: Path) -> None:
    film = write_film(tmp_path / "0.C.2" / SUBJECT)
    archive = pack(film.parent, f"{SUBJECT}/20050921/00391503/001")
    found = find(tmp_path)
    assert isinstance(found, OaiFilm) and found.path == archive
    with open_film(found) as path:
        assert read_radiograph(path).rows == 64


def test_a_folder_that_cannot_be_read_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    film = write_film(tmp_path / FOLDER)
    closed = tmp_path / "0.C.2" / SUBJECT / "closed"
    closed.mkdir()
    real = os.scandir

    def scan(path: str) -> Any:
        if Path(path) == closed:
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scan)
    assert find(tmp_path) == OaiFilm(film)
    assert "closed: the folder cannot be read (Permission denied)" in caplog.text
