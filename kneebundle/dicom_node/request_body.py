"""The body of an HTTP request as a stream, by its length or in chunks, with an end in bytes and in time."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import BinaryIO

__all__ = ["BodyError", "BodyTooLargeError", "RequestBody"]

_MOST_LINE = 1 << 10
_MOST_TRAILERS = 50


class BodyError(Exception):
    """A body that is not as its headers say."""


class BodyTooLargeError(Exception):
    """A body that is larger than one may be."""


class RequestBody:
    r"""The body that follows the headers of a request.

    Args:
        stream: behind the headers.
        headers: of the request.
        largest: bytes that it may have.
        longest_s: time that it may take.

    Raises:
        BodyError: if the headers do not say how long it is.
        BodyTooLargeError: if they say that it is too large.

    Example:
        >>> from io import BytesIO
        >>> RequestBody(BytesIO(b"3\r\nabc\r\n0\r\n\r\n"), {"Transfer-Encoding": "chunked"}, 10, 1.0).read(9)
        b'abc'
    """

    def __init__(self, stream: BinaryIO, headers: Mapping[str, str], largest: int, longest_s: float) -> None:
        self._stream, self._largest, self._end = stream, largest, time.monotonic() + longest_s
        self._read = self._left = 0
        coding, length = headers.get("Transfer-Encoding"), headers.get("Content-Length")
        self._chunked = coding is not None
        self._ended = False
        if coding is not None:
            if coding.strip().lower() != "chunked" or length is not None:
                raise BodyError("its length is said in two ways, or in one that is not known here")
        elif length is None or not (length.isascii() and length.isdigit()) or len(length) > 18:
            raise BodyError("its length is missing")
        else:
            self._left = int(length)
            if self._left > largest:
                raise BodyTooLargeError

    def read(self, size: int) -> bytes:
        """Read up to so many bytes; none at the end.

        Raises:
            BodyError: if it ends before, is no body in chunks, or takes too long.
            BodyTooLargeError: if it is too large.
        """
        if time.monotonic() > self._end:
            raise BodyError("it takes too long")
        if self._left == 0 and self._chunked and not self._ended:
            self._begin_chunk()
        if self._left == 0:
            return b""
        piece = self._stream.read1(min(size, self._left))  # type: ignore[attr-defined]
        if not piece:
            raise BodyError("it ends too early")
        self._left -= len(piece)
        self._read += len(piece)
        if self._read > self._largest:
            raise BodyTooLargeError
        if self._left == 0 and self._chunked and self._read_line():
            raise BodyError("a chunk is longer than it says")
        return bytes(piece)

    def _begin_chunk(self) -> None:
        size = self._read_line().split(b";")[0].strip()
        if not 0 < len(size) <= 12 or not set(size) <= set(b"0123456789abcdefABCDEF"):
            raise BodyError("the size of a chunk is none")
        self._left = int(size, 16)
        if self._left > 0:
            return
        self._ended = True
        for _ in range(_MOST_TRAILERS):
            if not self._read_line():
                return
        raise BodyError("it has too many trailers")

    def _read_line(self) -> bytes:
        line = self._stream.readline(_MOST_LINE)
        if not line.endswith(b"\n"):
            raise BodyError("it ends too early, or a line of it is too long")
        return line.rstrip(b"\r\n")
