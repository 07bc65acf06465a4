"""A folder for one data set: what is there already is not mixed with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kneebundle.errors import KneeBundleError
from kneebundle.io.folder_lock import check_owner, hold_folder, mark_folder, read_mark, unmark_if_empty
from kneebundle.io.writing import remove_leftovers

__all__ = ["hold_data_set"]


@contextmanager
def hold_data_set(
    folder: Path, command: str, settings: Mapping[str, Any], folders: Sequence[str], tables: Sequence[str]
) -> Iterator[None]:
    """Hold a folder alone while a data set is written into it; the same data set may be written again.

    Args:
        folder: of the data set; it is made if it is not there.
        command: that writes it.
        settings: all that the data set depends on.
        folders: of its images.
        tables: with its labels.

    Raises:
        KneeBundleError: if the folder holds another data set or cannot be written to.
    """
    with hold_folder(folder), unmark_if_empty(folder, [*folders, *tables]):
        if check_owner(folder, command):
            found = dict((read_mark(folder) or {})["settings"])
            if found != dict(settings):
                other = ", ".join(f"{name} {value}" for name, value in found.items() if settings.get(name) != value)
                raise KneeBundleError(
                    f"this folder holds a data set that was made with {other}; another one needs another folder",
                    folder,
                    "output",
                )
        else:
            there = [name for name in tables if (folder / name).exists()]
            there += [f"{name}/" for name in folders if (folder / name).exists() and any((folder / name).iterdir())]
            if there:
                raise KneeBundleError(
                    f"there is a data set in this folder already ({', '.join(there)}), which kneebundle {command} "
                    "did not write; it is left alone",
                    folder,
                    "output",
                )
            mark_folder(folder, command, settings)
        for place in (folder, *(folder / name for name in folders)):
            remove_leftovers(place, 0)
        yield
