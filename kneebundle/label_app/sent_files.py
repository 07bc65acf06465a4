"""Files of the server that a request may be about, and folders that no answer names."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from pathlib import Path

from kneebundle.errors import KneeBundleError

__all__ = ["check_label_file", "check_name", "is_sent_file", "list_folders"]

_TEMPORARY = re.compile(r"tmp[a-z0-9_]{8}(\.[^/\\]*)?")
_MOST_CHARACTERS = 100
_MAGIC = {".nrrd": b"NRRD", ".nii.gz": b"\x1f\x8b", ".nii": None}


def is_sent_file(path: str, sessions: str | None = None) -> bool:
    """Tell whether a path is that of a file that came with a request, which MONAI Label names by chance.

    Args:
        path: as the request names its image.
        sessions: folder of the files that came with a session.

    Example:
        >>> is_sent_file("/etc/passwd")
        False
    """
    if not path or "\0" in path or ".." in Path(path).parts:
        return False
    given = Path(path)
    if given.parent == Path(tempfile.gettempdir()) and _TEMPORARY.fullmatch(given.name):
        return given.is_file() and not given.is_symlink()
    return sessions is not None and given.is_relative_to(sessions) and len(given.parts) == len(Path(sessions).parts) + 2


def list_folders(app: str, studies: str) -> list[tuple[str, str]]:
    """List the folders that answers do not name, with what stands for them."""
    home = os.path.expanduser("~")  # noqa: PTH111, as it is written in messages
    temporary = tempfile.gettempdir()
    named = [(app, "app"), (studies, "studies"), (temporary, "tmp"), (sys.prefix, "python"), (home, "home")]
    both = {*named, *((os.path.realpath(folder), name) for folder, name in named if "://" not in folder)}
    return sorted((folder, name) for folder, name in both if len(folder) > 1 and "://" not in folder)


def check_name(name: str) -> None:
    """Check a name that becomes the name of a file or folder: it must not lead out of the datastore.

    Raises:
        KneeBundleError: if it cannot be one.
    """
    if name.startswith(".") or "/" in name or "\\" in name or not name.isprintable() or len(name) > _MOST_CHARACTERS:
        raise KneeBundleError(
            f"{name[:_MOST_CHARACTERS]!r} cannot be a name; use one without slashes, at most {_MOST_CHARACTERS} letters"
        )


def check_label_file(path: Path) -> bool:
    """Check that a file is a label by its name: points as JSON, or a mask of bones; gives whether it is JSON.

    Raises:
        KneeBundleError: for any other file, which would take the place of a good label.
    """
    name = path.name.lower()
    if name.endswith(".json"):
        return True
    with path.open("rb") as file:
        head = file.read(352)
    is_nifti = head[344:347] in (b"n+1", b"ni1")
    if not any(
        name.endswith(s) and (is_nifti if magic is None else head.startswith(magic)) for s, magic in _MAGIC.items()
    ):
        raise KneeBundleError(
            "the label is neither points nor a mask; send the JSON of the prediction, 3D Slicer's .mrk.json, "
            "or a mask as .nrrd or .nii.gz"
        )
    return False
