"""Find the image files of a folder."""

from __future__ import annotations

import os
from pathlib import Path

from kneebundle.errors import KneeBundleError
from kneebundle.io.sniffing import detect_format_by_content, detect_format_by_name

__all__ = ["find_images"]

_NO_IMAGES = frozenset(
    ".csv .tsv .txt .json .jsonl .md .rst .py .ipynb .xml .html .htm .pdf .yaml .yml .toml .log .bak .zip .tar .gz .7z "
    ".doc .docx .xls .xlsx .pt .pth .npy .npz .raw .zraw .exe .ini .db".split()
)
_UNREADABLE_IMAGES = frozenset(".tif .tiff .bmp .gif .jp2 .webp .nrrd".split())


def find_images(path: str | Path) -> list[Path]:
    """Find the files that are to be read as images.

    Args:
        path: a file, which is returned whatever it is, or a folder, which is searched with its sub-folders.

    Returns:
        The files, sorted. Files of a folder that are clearly no images are left out: hidden ones, ``DICOMDIR``, tables,
        texts, archives and the raw half of a two-file image. A file with the name of an image is returned even if it is
        broken or of a kind that cannot be read, so that it is reported and not passed over; a file with an unknown
        suffix or none is returned if its content is that of a readable format.

    Raises:
        KneeBundleError: if there is nothing at ``path``, or no image in that folder.
    """
    path = Path(path)
    if path.is_dir():
        images = sorted(file for file in _list_visible_files(path) if _may_be_image(file))
        if not images:
            raise KneeBundleError("no image was found in this folder; give a folder or a file with radiographs", path)
        return images
    if not path.exists():
        raise KneeBundleError("there is no such file or folder; check the path", path)
    return [path]


def _list_visible_files(folder: Path) -> list[Path]:
    found: list[Path] = []
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(root, name) for name in names if not name.startswith(".")]
    return found


def _may_be_image(path: Path) -> bool:
    suffix = path.suffix.lower()
    if path.name.upper() == "DICOMDIR" or (suffix == ".img" and path.with_suffix(".hdr").exists()):
        return False
    if detect_format_by_name(path) is not None or suffix in _UNREADABLE_IMAGES:
        return True
    return suffix not in _NO_IMAGES and _has_readable_content(path)


def _has_readable_content(path: Path) -> bool:
    try:
        return detect_format_by_content(path) is not None
    except KneeBundleError:
        return False
