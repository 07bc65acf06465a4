"""Names of the files about an image, none the same for two images."""

from __future__ import annotations

import hashlib
import os
import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

__all__ = ["output_names"]

_RESERVED = ("coco", "evaluation", "index", "label_studio", "via")
_ENDINGS = ("", "_femur", "_patella", "_tibia", "_fibula", "_seg", "_sr", "_gsps", "_before_after")
"""What may follow a name in the names of the files about one image."""
_LONGEST_BYTES = 180
"""Of a name, so that what follows it fits into the 255 bytes of a file's name."""
_UNWRITABLE = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")


def output_names(paths: Sequence[Path], taken: Collection[str] = ()) -> list[str]:
    """Choose a name without suffix for each image, in their order.

    An image whose stem no other image has gets its stem. Images that share a stem are told apart by the folders below
    the deepest folder that holds them all, joined by ``_`` (``baseline/001`` and ``year_4/001`` become ``baseline_001``
    and ``year_4_001``), and by their suffix where the folders are the same too (``knee.dcm`` and ``knee.png`` stay
    ``knee.dcm`` and ``knee.png``). What clashes even then gets a number, as does an image that is named like a file
    about another (``knee_femur.png`` beside ``knee.png``). Capitals do not tell files apart. Bytes that are no UTF-8
    become ``_``, and a name that is too long for a file is cut and ends with a hash of the whole.

    The names depend on nothing but the paths, their order and those that are taken already.

    Args:
        paths: of the images.
        taken: names of other images' files.

    Example:
        >>> from pathlib import Path
        >>> output_names([Path("baseline/001.dcm"), Path("year_4/001.dcm"), Path("other.png")])
        ['baseline_001', 'year_4_001', 'other']
    """
    groups: defaultdict[str, list[int]] = defaultdict(list)
    for index, path in enumerate(paths):
        groups[_stem(path).casefold()].append(index)
    wanted: dict[int, str] = {}  # by the place of the image
    for group in sorted(groups.values(), key=len):  # images with a stem of their own choose first
        wanted.update(zip(group, map(_make_writable, _told_apart([paths[i] for i in group])), strict=True))
    used = {claimed for name in (*_RESERVED, *taken) for claimed in _claims(name)}
    names = {index: _free(name, used) for index, name in wanted.items()}
    return [names[index] for index in range(len(paths))]


def _stem(path: Path) -> str:
    """The name without its suffix; the last number of a UID is not one."""
    if path.name.lower().endswith(".nii.gz"):
        return path.name[: -len(".nii.gz")]
    return path.name if path.suffix[1:].isdigit() else path.stem


def _make_writable(name: str) -> str:
    """A name that can be that of a file everywhere: of UTF-8, not hidden, not too long."""
    clean = _UNWRITABLE.sub("_", name)
    clean = f"_{clean[1:]}" if clean.startswith(".") else clean
    raw = clean.encode()
    if len(raw) <= _LONGEST_BYTES:
        return clean
    mark = hashlib.sha256(os.fsencode(name)).hexdigest()[:10]
    return f"{raw[: _LONGEST_BYTES - len(mark) - 1].decode(errors='ignore')}-{mark}"


def _told_apart(paths: Sequence[Path]) -> Sequence[str]:
    if len(paths) == 1:
        return [_stem(paths[0])]
    full = [Path(os.path.abspath(path)) for path in paths]  # noqa: PTH100, links are not followed
    common = os.path.commonpath([path.parent for path in full])
    below = [path.relative_to(common) for path in full]
    short = ["_".join((*path.parent.parts, _stem(path))) for path in below]
    suffixed = ["_".join(path.parts) for path in below]
    return suffixed if _distinct(suffixed) and not _distinct(short) else short


def _distinct(names: Sequence[str]) -> bool:
    return len({name.casefold() for name in names}) == len(names)


def _free(name: str, taken: set[str]) -> str:
    free = next(candidate for candidate in _candidates(name) if taken.isdisjoint(_claims(candidate)))
    taken |= _claims(free)
    return free


def _claims(name: str) -> set[str]:
    return {f"{name}{ending}".casefold() for ending in _ENDINGS}


def _candidates(name: str) -> Iterator[str]:
    yield name
    number = 2
    while True:
        yield f"{name}-{number}"
        number += 1
