"""What a compressed frame says of itself, read from its first bytes before it is decoded."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import NamedTuple

from kneebundle.errors import KneeBundleError
from kneebundle.io.limits import check_pixel_count

__all__ = ["FrameHead", "check_frame"]

_JPEG, _JPEG_2000_BOX, _JPEG_2000 = b"\xff\xd8", b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51"
_END = b"\xff\xd9"
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})
_SIZES = frozenset({*range(0xC0, 0xD0), 0xF7}) - {0xC4, 0xC8, 0xCC}


class FrameHead(NamedTuple):
    """Size of a frame; whether its values are signed, None where the encoding does not say."""

    rows: int
    columns: int
    signed: bool | None


def check_frame(frame: bytes, path: Path) -> FrameHead | None:
    """Read the head of a JPEG, JPEG-LS or JPEG 2000 frame, and check that the frame is whole and not too large.

    Args:
        frame: all of its bytes.
        path: the file, for the error.

    Returns:
        None for another encoding (RLE).

    Raises:
        KneeBundleError: if the frame has no end, or more pixels than can be read.
    """
    try:
        head = _read_head(frame)
    except (struct.error, IndexError) as error:
        raise KneeBundleError("the compressed image is cut off in its header; copy or export it again", path) from error
    if head is None:
        return None
    check_pixel_count(head.rows, head.columns, path)
    if _END not in frame.rstrip(b"\0")[-4:]:
        raise KneeBundleError("the compressed image is cut off: its end is missing; copy or export it again", path)
    return head


def _read_head(frame: bytes) -> FrameHead | None:
    if frame.startswith(_JPEG):
        return _read_jpeg(frame)
    if frame.startswith(_JPEG_2000_BOX):
        place = frame.find(_JPEG_2000)
        return None if place < 0 else _read_jpeg_2000(frame, place)
    return _read_jpeg_2000(frame, 0) if frame.startswith(_JPEG_2000) else None


def _read_jpeg(frame: bytes) -> FrameHead | None:
    """ISO/IEC 10918-1 B.2.2 and 14495-1 C.2.2: the marker segments up to the start of frame."""
    place = 2
    while place + 4 <= len(frame):
        if frame[place] != 0xFF:
            return None
        marker = frame[place + 1]
        if marker == 0xFF:
            place += 1
            continue
        if marker in _WITHOUT_LENGTH:
            place += 2
            continue
        if marker in _SIZES:
            rows, columns = struct.unpack_from(">HH", frame, place + 5)
            return FrameHead(rows, columns, None)
        place += 2 + struct.unpack_from(">H", frame, place + 2)[0]
    raise IndexError


def _read_jpeg_2000(frame: bytes, place: int) -> FrameHead:
    """ISO/IEC 15444-1 A.5.1: the SIZ marker segment."""
    width, height, left, top = struct.unpack_from(">IIII", frame, place + 8)
    return FrameHead(height - top, width - left, bool(frame[place + 42] & 0x80))
