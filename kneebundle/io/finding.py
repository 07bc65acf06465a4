"""Find the image files of a folder."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from kneebundle.errors import KneeBundleError
from kneebundle.io.file_content import read_state
from kneebundle.io.paths import show_path
from kneebundle.io.sniffing import detect_format_by_content, detect_format_by_name

__all__ = ["find_images"]

_log = logging.getLogger(__name__)

_NO_IMAGES = frozenset(
    ".csv .tsv .txt .json .jsonl .md .rst .py .ipynb .xml .html .htm .pdf .yaml .yml .toml .log .bak .zip .tar .gz .7z "
    ".doc .docx .xls .xlsx .pt .pth .npy .npz .raw .zraw .exe .ini .db".split()
)
_UNREADABLE_IMAGES = frozenset(".tif .tiff .bmp .gif .jp2 .webp .nrrd".split())


_ARCHIVES = (".tar.gz", ".tgz", ".tar", ".zip", ".7z", ".rar")
_ENDINGS = ("", "_femur", "_patella", "_tibia", "_fibula", "_before_after", "_seg", "_sr", "_gsps")
"""What may stand behind the name of a record in those of the pictures and DICOM files that were made with it."""
_SCHEMAS = ("kneebundle/landmarks/", "kneebundle/registration/")
_HEAD_BYTES = 4096
_Records = dict[Path, dict[str, bool | None]]


def find_images(path: str | Path) -> list[Path]:
    """Find the files that are to be read as images.

    Args:
        path: a file, which is returned whatever it is, or a folder, which is searched with its sub-folders. Linked
            folders are searched, too, each folder once.

    Returns:
        The files, sorted. Files of a folder that are clearly no images are left out: hidden ones, ``DICOMDIR``, tables,
        texts, archives and the raw half of a two-file image, and the pictures that kneebundle made of other images. A
        file with the name of an image is returned even if it is broken or of a kind that cannot be read, so that it is
        reported and not passed over, and so is a folder that cannot be opened; a file with an unknown suffix or none is
        returned if its content is that of a readable format.

    Raises:
        KneeBundleError: if there is nothing at ``path``, or no image in that folder.
    """
    path = Path(path)
    if os.path.isdir(path):  # noqa: PTH112, Path.is_dir fails on what is no path
        records: _Records = {}
        files = list(_list_visible(path))
        images = sorted(found for found in files if _may_be_image(found, records))
        archives = [found.name for found in files if found.name.lower().endswith(_ARCHIVES)]
        if not images:
            advice = _pass_over(archives) if archives else "give a folder or a file with radiographs"
            raise KneeBundleError(f"no image was found in this folder; {advice}", path)
        if archives:
            _log.warning("%s: %s", show_path(path), _pass_over(archives))
        return images
    if not os.path.lexists(path):
        raise KneeBundleError("there is no such file or folder; check the path", path)
    return [path]


def _pass_over(archives: Sequence[str]) -> str:
    """Say what to do about archives."""
    more = f" and {len(archives) - 1} more" if len(archives) > 1 else ""
    return f"archives are not read ({show_path(min(archives))}{more}); unpack them and give the folder that they make"


def _list_visible(folder: Path) -> Iterator[Path]:
    """The files of a folder and its sub-folders, and the folders that cannot be opened.

    Links to folders are followed when all folders have been searched, so that a file is found where it is.
    """
    searched: set[str] = set()
    waiting = [folder]
    while waiting:
        links: list[Path] = []
        for place in waiting:
            yield from _walk(place, searched, links)
        waiting = sorted(links)


def _walk(folder: Path, searched: set[str], links: list[Path]) -> Iterator[Path]:
    real = os.path.realpath(folder)
    if real in searched:
        return
    searched.add(real)
    try:
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
    except OSError:
        yield folder
        return
    for entry in found:
        path = Path(entry.path)
        if entry.name.startswith("."):
            continue
        if not os.path.isdir(entry.path):  # noqa: PTH112, Path.is_dir fails on a loop of links
            yield path
        elif entry.is_symlink():
            links.append(path)
        else:
            yield from _walk(path, searched, links)


def _may_be_image(path: Path, records: _Records) -> bool:
    suffix = path.suffix.lower()
    if path.name.upper() == "DICOMDIR" or (suffix == ".img" and path.with_suffix(".hdr").exists()):
        return False
    if os.path.isdir(path):  # noqa: PTH112
        return True
    if detect_format_by_name(path) is not None or suffix in _UNREADABLE_IMAGES:
        return not _is_made(path, records)
    return suffix not in _NO_IMAGES and _has_readable_content(path)


def _has_readable_content(path: Path) -> bool:
    if read_state(path) is None:  # a pipe or a device: opening it may never end
        return False
    try:
        return detect_format_by_content(path) is not None
    except KneeBundleError:
        return False


def _is_made(path: Path, records: _Records) -> bool:
    """Whether kneebundle made a picture or DICOM file: the record that it belongs to is there."""
    stem = path.stem
    bases = [stem[: len(stem) - len(ending)] for ending in _ENDINGS if stem.endswith(ending)]
    folder = path.parent.parent if path.parent.name == "thumbnails" else path.parent
    for place in (folder, folder / ".records"):
        if place not in records:
            records[place] = dict.fromkeys(_list_json(place))
        known = records[place]
        for name in (f"{base}.json" for base in bases):
            if name in known:
                if known[name] is None:
                    known[name] = _is_record(place / name)
                if known[name]:
                    return True
    return False


def _list_json(folder: Path) -> list[str]:
    try:
        return [name for name in os.listdir(folder) if name.endswith(".json")]  # noqa: PTH208
    except OSError:
        return []


def _is_record(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            head = stream.read(_HEAD_BYTES)
    except OSError:
        return False
    return any(json.dumps(schema)[:-1].encode() in head for schema in _SCHEMAS)
