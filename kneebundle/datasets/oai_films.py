"""The films of the Osteoarthritis Initiative where they lie: in folders or in the archives that it gives out.

The tree is ``<release>/<subject>/<date>/<series>/001``, a DICOM file without suffix, or ``<series>.tar.gz`` with it;
the number in front of the release, ``0.C.2``, is the visit, and 0 the baseline.
"""

from __future__ import annotations

import logging
import os
import re
import tarfile
import tempfile
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from kneebundle.datasets.kneel_annotations import parse_subject
from kneebundle.errors import KneeBundleError
from kneebundle.io.paths import show_path
from kneebundle.io.tables import TableRow, read_table

__all__ = ["SERIES", "OaiFilm", "find_films", "open_film"]

_log = logging.getLogger(__name__)

SERIES = "Bilateral PA Fixed Flexion Knee"

_FILM_NAMES = ("001", "001.dcm")
_ARCHIVES = (".tar.gz", ".tgz", ".tar")
_RELEASE = re.compile(r"(\d+)\.[A-Z]\.\d+")
_A_SUBJECT = re.compile(r"\d{7}")
_MODALITIES = ("", "CR", "DX", "DR", "RG")
_FIRST = -1
_MOST_BYTES = 1 << 30
_MOST_MEMBERS = 10_000
_DAMAGED = (tarfile.TarError, EOFError, OSError, zlib.error, ValueError)


@dataclass(frozen=True)
class OaiFilm:
    """A film of a subject.

    Attributes:
        path: of the DICOM file or of the archive that it is in.
        member: its place in the archive, -1 for the first film in it; None: no archive.
    """

    path: Path
    member: int | None = None


def find_films(oai: Path, subjects: Mapping[str, Any]) -> tuple[dict[str, OaiFilm], dict[str, str]]:
    """Find the baseline film of both knees of each subject.

    ``contents.csv`` with ``ParticipantID``, ``Folder`` and ``SeriesDescription`` says where they are, if the folder has
    it; else the headers of the files do.

    Args:
        oai: folder with the releases, or one of them.
        subjects: the wanted ones.

    Returns:
        The films by subject, and for those without one the reason.

    Raises:
        KneeBundleError: if the folder has none of the subjects.
    """
    if not oai.is_dir():
        raise KneeBundleError("there is no such folder; give the folder with the releases of the OAI", oai)
    contents = oai / "contents.csv"
    if contents.is_file():
        films = _list_films(contents)
        if not films.keys() & subjects.keys():
            raise KneeBundleError(f"lists no '{SERIES}' of the {len(subjects)} annotated subjects", contents)
        return films, {s: f"contents.csv lists no '{SERIES}' of this subject" for s in subjects if s not in films}
    places = _find_subjects(oai, subjects)
    if not places:
        raise KneeBundleError(
            f"no folder of any of the {len(subjects)} annotated subjects is here; "
            "folders such as 0.C.2/9000099/20050921 are needed",
            oai,
        )
    films, reasons = {}, {}
    for subject in subjects:
        found = _choose_film(places[subject]) if subject in places else "no folder or archive of this subject is here"
        if isinstance(found, OaiFilm):
            films[subject] = found
        else:
            reasons[subject] = found
    return films, reasons


@contextmanager
def open_film(film: OaiFilm) -> Iterator[Path]:
    """Give the path of the film's DICOM file; one in an archive is written to a temporary folder meanwhile.

    Raises:
        KneeBundleError: if the archive cannot be read or has no film.
    """
    if film.member is None:
        yield film.path
        return
    with tempfile.TemporaryDirectory(prefix="kneebundle-") as folder:
        target = Path(folder) / "001"
        _look_into(
            film.path, lambda place, file: film.member in (_FIRST, place) and bool(target.write_bytes(file.read()))
        )
        if not target.exists():
            raise KneeBundleError("the archive has no file 001", film.path)
        yield target


def _list_films(contents: Path) -> dict[str, OaiFilm]:
    """The first film of the wanted series of each subject, as contents.csv has them."""
    films: dict[str, OaiFilm] = {}
    for row in read_table(contents, ["ParticipantID", "Folder", "SeriesDescription"]):
        if row["SeriesDescription"] == SERIES:
            subject = parse_subject(row, "ParticipantID", contents)
            films.setdefault(subject, _locate(contents.parent / _read_folder(row, contents)))
    return films


def _read_folder(row: TableRow, contents: Path) -> Path:
    """The folder of a series as the OAI or another machine, a Windows one too, has written it, from the release on."""
    parts = row["Folder"].replace("\\", "/").split("/")
    release = next((i for i, part in enumerate(parts) if _RELEASE.fullmatch(part)), 0)
    if parts[release].endswith(":") or not parts[release] or ".." in parts:
        raise KneeBundleError(
            f"line {row.line}: Folder is {row['Folder']!r}; one inside this folder is needed", contents
        )
    return Path(*parts[release:])


def _locate(folder: Path) -> OaiFilm:
    """The film in the folder of a series, or in the archive that is in its place."""
    archives = [folder.with_name(folder.name + suffix) for suffix in _ARCHIVES]
    found = [path for path in (folder, *archives) if path.is_file()]
    return OaiFilm(found[0], _FIRST) if found and not folder.is_dir() else OaiFilm(folder / _FILM_NAMES[0])


def _find_subjects(oai: Path, subjects: Mapping[str, Any]) -> dict[str, list[Path]]:
    """The folders and archives of the wanted subjects."""
    places: defaultdict[str, list[Path]] = defaultdict(list)
    if oai.name in subjects:
        places[oai.name].append(oai)
        return places
    for parent, folders, files in os.walk(oai, onerror=_note_unreadable):
        for name in sorted([*folders, *files]):
            is_folder = name in folders
            subject = name if is_folder else _strip_archive(name)
            if subject is not None and subject in subjects:
                places[subject].append(Path(parent, name))
        folders[:] = [name for name in folders if name not in subjects and not _A_SUBJECT.fullmatch(name)]
    return places


def _list_files(place: Path) -> Iterator[Path]:
    """The files of a folder and those below it, or the one that it is."""
    if not place.is_dir():
        yield place
    for parent, _, files in os.walk(place, onerror=_note_unreadable):
        yield from (Path(parent, name) for name in files if Path(parent, name).is_file())


def _note_unreadable(error: OSError) -> None:
    _log.warning("%s: the folder cannot be read (%s)", show_path(error.filename), error.strerror)


def _strip_archive(name: str) -> str | None:
    return next((name.removesuffix(suffix) for suffix in _ARCHIVES if name.endswith(suffix)), None)


def _choose_film(places: list[Path]) -> OaiFilm | str:
    """The film of the earliest visit, or the reason why there is none."""
    found: list[tuple[int, int, str, int, OaiFilm]] = []
    problem = ""
    for place in places:
        for path in sorted(_list_files(place)):
            try:
                for member, rank in _rank_films(path):
                    found.append((_read_visit(path), rank, str(path), member or 0, OaiFilm(path, member)))
            except KneeBundleError as error:
                problem = str(error)
    if not found:
        return problem or f"no file of this subject is a '{SERIES}' by its header"
    visit, *_, film = min(found)
    if visit > 0:
        return f"there are films of later visits only, such as {film.path}; the baseline's, release 0, is needed"
    return film


def _read_visit(path: Path) -> int:
    visits = [int(found[1]) for part in path.parts if (found := _RELEASE.fullmatch(part))]
    return visits[-1] if visits else 0


def _rank_films(path: Path) -> list[tuple[int | None, int]]:
    """Place and rank of the films of both knees in a file or an archive; lower ranks are surer."""
    if path.name in _FILM_NAMES:
        with path.open("rb") as file:
            rank = _rank_header(file)
        return [] if rank is None else [(None, rank)]
    ranks: list[tuple[int | None, int]] = []

    def note(place: int, file: IO[bytes]) -> bool:
        rank = _rank_header(file)
        if rank is not None:
            ranks.append((place, rank))
        return False

    if _strip_archive(path.name) is not None:
        _look_into(path, note)
    return ranks


def _rank_header(file: IO[bytes]) -> int | None:
    """Tell by a header whether a film shows both knees from behind: 0 if the series says so, 1 if the view does."""
    import pydicom

    from kneebundle.io.dicom_display import read_view
    from kneebundle.io.dicom_values import read_word

    try:
        header = pydicom.dcmread(file, stop_before_pixels=True, force=True)
        if read_word(header, "Modality") not in _MODALITIES:
            return None
        series = str(header.get("SeriesDescription") or "").lower().split()
        if series:
            return 0 if series == SERIES.lower().split() or {"fixed", "flexion"} <= set(series) else None
        body = read_word(header, "BodyPartExamined")
        return 1 if read_view(header) == "pa-bilateral" and ("KNEE" in body or not body) else None
    except Exception:  # whatever is wrong with it, it is not the film that is looked for
        return None


def _look_into(archive: Path, found: Callable[[int, IO[bytes]], bool]) -> None:
    """Show the films of an archive one after another, until one is the wanted one. Nothing is unpacked.

    Raises:
        KneeBundleError: if it cannot be read or is larger than any of the OAI's.
    """
    total = 0
    try:
        with tarfile.open(archive) as tar:
            for place, member in enumerate(tar):
                total += member.size
                if total > _MOST_BYTES or place > _MOST_MEMBERS:
                    raise KneeBundleError("the archive holds more than a series of the OAI", archive)
                if not member.isreg() or Path(member.name).name not in _FILM_NAMES:
                    continue
                file = tar.extractfile(member)
                if file is not None and found(place, file):
                    return
    except _DAMAGED as error:
        raise KneeBundleError(f"the archive cannot be read ({error}); get it again", archive) from error
