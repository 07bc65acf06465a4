"""Parts of a body are the same in whatever pieces the body comes."""

from __future__ import annotations

from io import BytesIO

import pytest

from kneebundle.dicom_node.multipart import MultipartError, PartTooLargeError, read_parts
from kneebundle.dicom_node.request_body import BodyError, BodyTooLargeError, RequestBody

PARTS = [b"", b"film", b"\r\n--edg\r\n--ed", b"\r\n\r\n", bytes(range(256)) * 3, b"--edge", b"\r\n-\r\n--", b"\r\n"]
HEAD = b"Content-Type: application/dicom\r\nContent-Location: x\r\n"


def pack(parts: list[bytes], head: bytes = HEAD) -> bytes:
    return b"".join(b"--edge\r\n" + head + b"\r\n" + part + b"\r\n" for part in parts) + b"--edge--"


def read(body: bytes, piece: int, largest: int = 10_000) -> list[tuple[str, bytes]]:
    stream = BytesIO(body)
    return list(read_parts(lambda size: stream.read(min(size, piece)), "edge", largest))


@pytest.mark.parametrize("piece", [1, 2, 3, 7, 100_000])
@pytest.mark.parametrize("head", [HEAD, b""])
def test_parts_come_out_as_they_went_in(piece: int, head: bytes) -> None:
    found = read(b"preamble\r\n" + pack(PARTS, head) + b"\r\nepilogue", piece)
    assert [content for _, content in found] == PARTS
    assert {text for text, _ in found} == {head.decode().strip()}


@pytest.mark.parametrize("end", range(0, 60))
def test_half_a_body_is_none(end: int) -> None:
    body = pack([b"film"], b"")
    with pytest.raises(MultipartError):
        read(body[: min(end, len(body) - 1)], 5)


def test_spaces_may_follow_a_boundary_and_nothing_else() -> None:
    assert read(b"--edge \t\r\n\r\nfilm\r\n--edge--", 4) == [("", b"film")]
    with pytest.raises(MultipartError, match="followed by something else"):
        read(b"--edge2\r\n\r\nfilm\r\n--edge--", 4)


def test_a_part_that_is_too_large_is_not_read_to_its_end() -> None:
    asked = []

    def give(size: int) -> bytes:
        asked.append(size)
        return b"--edge\r\n\r\n" if len(asked) == 1 else b"x" * 1000

    with pytest.raises(PartTooLargeError):
        list(read_parts(give, "edge", 5000))
    assert len(asked) < 10
    assert read(pack([b"x" * 50]), 10, largest=50)[0][1] == b"x" * 50
    with pytest.raises(PartTooLargeError):
        read(pack([b"x" * 51]), 1000, largest=50)


@pytest.mark.parametrize("boundary", ["", "x" * 71, "ä", "a\nb"])
def test_a_boundary_that_is_none_is_an_error(boundary: str) -> None:
    with pytest.raises(MultipartError):
        list(read_parts(BytesIO(b"").read, boundary, 10))


def read_body(content: bytes, largest: int = 100, longest_s: float = 5.0, **headers: str) -> bytes:
    known = {name.replace("_", "-"): value for name, value in headers.items()}
    body = RequestBody(BytesIO(content), known, largest, longest_s)
    found = b""
    while piece := body.read(3):
        found += piece
    return found


def test_a_body_comes_by_its_length_or_in_chunks() -> None:
    assert read_body(b"filmX", Content_Length="4") == b"film"
    assert read_body(b"", Content_Length="0") == b""
    chunks = b"4;name=value\r\nfilm\r\n00A\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\nX"
    assert read_body(chunks, Transfer_Encoding="Chunked") == b"film0123456789"


@pytest.mark.parametrize(
    "chunks",
    [b"", b"4", b"4\r\nfi", b"4\r\nfilm", b"4\r\nfilmX\r\n0\r\n\r\n", b"-4\r\nfilm\r\n", b"0x4\r\nfilm\r\n", b"\r\n"]
    + [b"4 4\r\nfilm\r\n", b"f" * 20 + b"\r\n", b"0" * 5000, b"0\r\n" + b"a: b\r\n" * 60, b"0\r\n"],
)
def test_chunks_that_are_none_are_an_error(chunks: bytes) -> None:
    with pytest.raises(BodyError):
        read_body(chunks, Transfer_Encoding="chunked")


def test_a_body_has_an_end_in_bytes_and_in_time() -> None:
    with pytest.raises(BodyTooLargeError):
        read_body(b"x" * 200, Content_Length="101")
    with pytest.raises(BodyTooLargeError):
        read_body(
            b"40\r\n" + b"x" * 64 + b"\r\n" + b"40\r\n" + b"x" * 64 + b"\r\n0\r\n\r\n", Transfer_Encoding="chunked"
        )
    with pytest.raises(BodyError, match="takes too long"):
        read_body(b"film", Content_Length="4", longest_s=-1.0)
    with pytest.raises(BodyError, match="two ways"):
        read_body(b"film", Content_Length="4", Transfer_Encoding="chunked")
