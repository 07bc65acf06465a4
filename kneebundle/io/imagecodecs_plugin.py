"""A decoder of lossless and 12-bit JPEG for pydicom, by imagecodecs (libjpeg-turbo).

The names are those that pydicom asks of a plugin (its guide *Decoder plugins*).
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from pydicom.uid import JPEGExtended12Bit, JPEGLossless, JPEGLosslessSV1

if TYPE_CHECKING:
    from pydicom.pixels.decoders.base import DecodeRunner

DECODER_DEPENDENCIES = dict.fromkeys((JPEGExtended12Bit, JPEGLossless, JPEGLosslessSV1), ("imagecodecs",))


def is_available(uid: str) -> bool:
    """Whether imagecodecs is installed and decodes this transfer syntax."""
    return uid in DECODER_DEPENDENCIES and find_spec("imagecodecs") is not None


def decode_frame(src: bytes, runner: DecodeRunner) -> bytes:
    """Decode a frame as stored, its colours not converted."""
    import imagecodecs

    # to be told that the colours are the same before and after keeps the library from converting them
    colours = "RGB" if runner.samples_per_pixel == 3 else None
    pixels = imagecodecs.jpeg8_decode(src, colorspace=colours, outcolorspace=colours)
    runner.set_option("bits_allocated", 8 * pixels.dtype.itemsize)
    if runner.samples_per_pixel == 3:
        runner.set_option("planar_configuration", 0)
    return pixels.tobytes()
