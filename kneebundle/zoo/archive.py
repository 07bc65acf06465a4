"""ZIP files that depend on nothing but what is in them."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

__all__ = ["write_archive"]

_DATE = (1980, 1, 1, 0, 0, 0)
_UNIX, _PERMISSIONS = 3, 0o100644 << 16


def write_archive(path: Path, members: Mapping[str, Path]) -> None:
    """Write files into a ZIP file that is the same, byte for byte, wherever and whenever it is written.

    Dates, permissions and order are fixed. Nothing is compressed: what deflate gives differs with the version
    of zlib, and weights, most of a bundle, would shrink by a few percent only.

    Args:
        path: of the ZIP file.
        members: the name in the archive, with slashes, of each file.
    """
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(members):
            member = zipfile.ZipInfo(name, _DATE)
            member.create_system = _UNIX
            member.external_attr = _PERMISSIONS
            archive.writestr(member, members[name].read_bytes())
