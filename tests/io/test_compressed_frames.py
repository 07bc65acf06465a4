"""The size that the head of a compressed frame states."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kneebundle.errors import KneeBundleError
from kneebundle.io.compressed_frames import check_frame


def jpeg() -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.zeros((37, 53), np.uint8)).save(stream, "JPEG")
    return stream.getvalue()


@pytest.mark.parametrize("between", [b"", b"\xff\xff", b"\xff\x01", b"\xff\xfe\x00\x04ab"])
def test_what_may_stand_before_the_size_is_passed_over(between: bytes) -> None:
    content = jpeg()
    head = check_frame(content[:2] + between + content[2:], Path("film.dcm"))
    assert head == (37, 53, None)


def test_what_is_no_frame_has_no_size_and_half_a_one_is_an_error() -> None:
    for content in (b"\xff\xd8\x00" + bytes(40), bytes(40), struct.pack(">I", 12) + b"jP  \r\n\x87\n" + bytes(40)):
        assert check_frame(content, Path("film.dcm")) is None
    with pytest.raises(KneeBundleError, match="cut off in its header"):
        check_frame(jpeg()[:20], Path("film.dcm"))
    with pytest.raises(KneeBundleError, match="its end is missing"):
        check_frame(jpeg()[:-9], Path("film.dcm"))
