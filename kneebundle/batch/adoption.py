"""The files in an output folder that has no entries: of an older kneebundle, which did not keep them."""

from __future__ import annotations

import re
from pathlib import Path

from kneebundle.batch.entries import Entry, describe_file, hash_paths
from kneebundle.batch.image_files import ImageFiles
from kneebundle.batch.names import output_names

__all__ = ["adopt_results", "adopt_tables", "find_strays"]

_HEADERS = {
    "landmarks.csv": "path,side,landmark,name,x_px,y_px,",
    "measurements.csv": "path,side,name,value,unit",
    "errors.csv": "path,reason",
}
_PLACES = ("", ".records/")
_HEAD_BYTES = 200
_RECORD = re.compile(rb'"schema": *"kneebundle/(landmarks|registration|standardized)/')


def adopt_results(folder: Path, files: ImageFiles) -> dict[str, Entry]:
    """Find complete records and the files that belong to them, by name.

    What they were made from is not known, so that each is made again when its image is asked for. Of two records about
    one image that which is named like it counts.

    Args:
        folder: the output folder.
        files: of the command.
    """
    found: dict[str, tuple[str, Entry]] = {}
    for place in _PLACES:
        for record in sorted((folder / place).glob("[!.]*.json")):
            document = files.read_record(record)
            name = record.name[: -len(".json")]
            if document is None or name in found:
                continue
            path = str(document["image"]["path"])
            own = [f"{place}{record.name}", *(f for f in files.list_possible(name) if (folder / f).is_file())]
            entry = Entry(hash_paths(path, folder), {f: describe_file(folder / f) for f in own}, complete=True)
            found[name] = path, entry
    chosen: dict[str, str] = {}
    for name, (path, entry) in found.items():
        stem = output_names([Path(path)])[0]
        chosen[entry.keys[0]] = name if name == stem else chosen.get(entry.keys[0], name)
    return {name: found[name][1] for name in sorted(chosen.values())}


def adopt_tables(folder: Path, tables: list[str], any_results: bool) -> dict[str, tuple[int, str] | None]:
    """Find the tables that an older run wrote: those with its columns, where there are results or nothing in them."""
    own: dict[str, tuple[int, str] | None] = {}
    for name in tables:
        lines = _read_lines(folder / name)
        fits = lines is not None and lines and lines[0].startswith(_HEADERS.get(name, ""))
        bare = name in _HEADERS and lines is not None and (len(lines) == 1 or name == "errors.csv")
        if fits and (any_results or bare):
            own[name] = describe_file(folder / name)
    return own


def find_strays(folder: Path, known: set[str]) -> list[str]:
    """List the records in a folder that no entry knows: copies, and those of other folders."""
    strays = []
    for file in sorted(folder.glob("[!.]*.json")):
        if file.name not in known and _looks_like_record(file):
            strays.append(file.name)
    return strays


def _looks_like_record(file: Path) -> bool:
    try:
        with file.open("rb") as stream:
            return _RECORD.search(stream.read(_HEAD_BYTES)) is not None
    except OSError:
        return False


def _read_lines(path: Path) -> list[str] | None:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return None
