"""Read a multipart body part by part from a stream (RFC 2046), holding one part at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator

__all__ = ["MultipartError", "PartTooLargeError", "read_parts"]

_PIECE = 1 << 16
_MOST_PREAMBLE = 1 << 16
_MOST_HEADERS = 1 << 14
_MOST_BOUNDARY = 70


class MultipartError(Exception):
    """A body that is no multipart message, or not all of one."""


class PartTooLargeError(Exception):
    """A part that is larger than one may be."""


def read_parts(read: Callable[[int], bytes], boundary: str, largest: int) -> Iterator[tuple[str, bytes]]:
    r"""Read the parts of a multipart body.

    Args:
        read: gives up to so many bytes of the body, none at its end.
        boundary: of the parts, as the content type names it.
        largest: bytes that a part may have.

    Yields:
        Headers of a part as text, and its content.

    Raises:
        MultipartError: if the body is something else, or ends before its last boundary.
        PartTooLargeError: if a part is too large.

    Example:
        >>> from io import BytesIO
        >>> body = BytesIO(b"--x\r\nContent-Type: a/b\r\n\r\nfilm\r\n--x--")
        >>> list(read_parts(body.read, "x", 100))
        [('Content-Type: a/b', b'film')]
    """
    if not 0 < len(boundary) <= _MOST_BOUNDARY or not boundary.isascii() or not boundary.isprintable():
        raise MultipartError("the boundary is none")
    buffer = _Buffer(read)
    delimiter = b"\r\n--" + boundary.encode()
    buffer.data += b"\r\n"  # the first boundary may be where the body begins
    if buffer.read_until(delimiter, _MOST_PREAMBLE) is None:
        raise MultipartError("the boundary is not at its beginning")
    while not _is_last(buffer):
        buffer.data[:0] = b"\r\n"  # a part without headers begins with the empty line
        headers = buffer.read_until(b"\r\n\r\n", _MOST_HEADERS)
        if headers is None:
            raise MultipartError("the headers of a part are too long")
        content = buffer.read_until(delimiter, largest)
        if content is None:
            raise PartTooLargeError
        yield headers.decode("latin-1").strip(), content


class _Buffer:
    def __init__(self, read: Callable[[int], bytes]) -> None:
        self.read = read
        self.data = bytearray()

    def fill(self) -> None:
        piece = self.read(_PIECE)
        if not piece:
            raise MultipartError("it ends before its last boundary")
        self.data += piece

    def read_until(self, mark: bytes, most: int) -> bytes | None:
        """What is before the mark, which is taken out, too; None where that would be more than ``most``."""
        start = 0
        while (place := self.data.find(mark, start)) < 0:
            if len(self.data) > most + len(mark):
                return None
            start = max(0, len(self.data) - len(mark) + 1)
            self.fill()
        if place > most:
            return None
        found = bytes(self.data[:place])
        del self.data[: place + len(mark)]
        return found


def _is_last(buffer: _Buffer) -> bool:
    """Whether the boundary that was just read is the last one; else what ends its line is taken out."""
    while len(buffer.data) < 2:
        buffer.fill()
    if buffer.data.startswith(b"--"):
        return True
    rest = buffer.read_until(b"\r\n", _MOST_HEADERS)
    if rest is None or rest.strip(b" \t"):
        raise MultipartError("a boundary is followed by something else")
    return False
