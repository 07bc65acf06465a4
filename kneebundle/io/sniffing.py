"""Detect the format of a file, by its content or by its name."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Literal

from kneebundle.errors import KneeBundleError

__all__ = ["Format", "detect_format_by_content", "detect_format_by_name"]

Format = Literal["picture", "dicom", "nifti", "metaimage"]

_SUFFIXES: dict[str, Format] = {
    ".png": "picture",
    ".jpg": "picture",
    ".jpeg": "picture",
    ".dcm": "dicom",
    ".dicom": "dicom",
    ".ima": "dicom",
    ".nii": "nifti",
    ".nii.gz": "nifti",
    ".hdr": "nifti",
    ".mha": "metaimage",
    ".mhd": "metaimage",
}
_HEAD_BYTES = 4096


def detect_format_by_name(path: Path) -> Format | None:
    """The format that the name of the file promises, or None."""
    name = path.name.lower()
    return next((kind for suffix, kind in _SUFFIXES.items() if name.endswith(suffix)), None)


def detect_format_by_content(path: Path) -> Format | None:
    """The format that the first bytes of the file show, or None.

    Raises:
        KneeBundleError: if the file is not there, is empty or cannot be opened.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except FileNotFoundError as error:
        raise KneeBundleError("there is no such file; check the path", path) from error
    except OSError as error:
        raise KneeBundleError(f"the file cannot be opened ({error.strerror}); check its permissions", path) from error
    if not head:
        raise KneeBundleError("the file is empty; copy or export it again", path)
    return _detect(head)


def _detect(head: bytes) -> Format | None:
    if head.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")):
        return "picture"
    if head[128:132] == b"DICM":
        return "dicom"
    if _is_nifti(_unzip(head) if head.startswith(b"\x1f\x8b") else head):
        return "nifti"
    if b"NDims" in head and b"DimSize" in head:
        return "metaimage"
    if _is_bare_dicom(head):
        return "dicom"
    return None


def _is_nifti(head: bytes) -> bool:
    return head[344:348] in (b"n+1\0", b"ni1\0") or head[4:8] in (b"n+2\0", b"ni2\0")


def _unzip(head: bytes) -> bytes:
    try:
        return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(head)
    except zlib.error:
        return b""


def _is_bare_dicom(head: bytes) -> bool:
    """Whether a DICOM file without preamble begins here: an element of group 0002 or 0008, of either byte order."""
    little = head[:2] in (b"\x02\x00", b"\x08\x00") and head[3:4] == b"\x00"
    big = head[:2] == b"\x00\x08" and head[2:3] == b"\x00"
    return len(head) > 8 and (little or big)
