"""Which library decodes a compressed DICOM image: one order, so that the same file has the same greys everywhere.

pydicom takes whichever of its plugins comes first in the alphabet of those installed. Here the first are those that are
installed with kneebundle, none of them under the GPL; the others are tried where the first are missing or fail.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from kneebundle.errors import KneeBundleError

if TYPE_CHECKING:
    from pydicom import Dataset
    from pydicom.pixels.decoders.base import Decoder

__all__ = ["Encoding", "check_decoder", "decode_stored_pixels", "list_encodings"]

_JPEG = ("pillow", "pylibjpeg", "gdcm")
_JPEG_12 = ("imagecodecs", "pillow", "pylibjpeg", "gdcm")
_JPEG_LOSSLESS = ("imagecodecs", "pylibjpeg", "gdcm")
_JPEG_LS = ("pyjpegls", "pylibjpeg", "gdcm")
_JPEG_2000 = ("pylibjpeg", "pillow", "gdcm")
# By pydicom's name of the transfer syntax: its plugins, the best first, and the package that brings the best
_ORDER = {
    "JPEGBaseline8Bit": (_JPEG, "pillow"),
    "JPEGExtended12Bit": (_JPEG_12, "imagecodecs"),
    "JPEGLossless": (_JPEG_LOSSLESS, "imagecodecs"),
    "JPEGLosslessSV1": (_JPEG_LOSSLESS, "imagecodecs"),
    "JPEGLSLossless": (_JPEG_LS, "pyjpegls"),
    "JPEGLSNearLossless": (_JPEG_LS, "pyjpegls"),
    "JPEG2000Lossless": (_JPEG_2000, "pylibjpeg-openjpeg"),
    "JPEG2000": (_JPEG_2000, "pylibjpeg-openjpeg"),
    "HTJ2KLossless": (("pylibjpeg",), "pylibjpeg-openjpeg"),
    "HTJ2KLosslessRPCL": (("pylibjpeg",), "pylibjpeg-openjpeg"),
    "HTJ2K": (("pylibjpeg",), "pylibjpeg-openjpeg"),
    "RLELossless": (("pylibjpeg", "pydicom"), "pylibjpeg-rle"),
}


class Encoding(NamedTuple):
    """A compressed transfer syntax.

    Attributes:
        name: as pydicom calls it.
        uid: its UID.
        decoders: pydicom's names of the installed plugins that decode it, the one that is used first.
        package: what to install for the best of them.
    """

    name: str
    uid: str
    decoders: tuple[str, ...]
    package: str


def list_encodings() -> list[Encoding]:
    """List the compressed transfer syntaxes that can be read, and with what.

    Example:
        >>> [encoding.name for encoding in list_encodings()][:2]
        ['JPEGBaseline8Bit', 'JPEGExtended12Bit']
    """
    from pydicom import uid

    return [
        Encoding(name, str(getattr(uid, name)), _list_decoders(getattr(uid, name), order), package)
        for name, (order, package) in _ORDER.items()
    ]


def check_decoder(transfer_syntax: str, path: Path) -> None:
    """Check that something decodes a compressed transfer syntax.

    Args:
        transfer_syntax: its UID.
        path: the file, for the error.

    Raises:
        KneeBundleError: if nothing does; it says what to install.
    """
    from pydicom.uid import UID

    syntax = UID(transfer_syntax)
    for encoding in list_encodings():
        if encoding.uid == syntax:
            if not encoding.decoders:
                raise KneeBundleError(
                    f"the image is compressed as {syntax.name}; {encoding.package} decodes it and is not installed: "
                    f"pip install {encoding.package}, or export the image again, uncompressed",
                    path,
                )
            return
    raise KneeBundleError(
        f"the image is compressed in a way that is not read here ({syntax.name}); export it again, uncompressed", path
    )


def decode_stored_pixels(dataset: Dataset, frame: int | None = None) -> np.ndarray:
    """Decode the pixels of an image as stored, with all bits of their cells.

    Args:
        dataset: the image, compressed or not.
        frame: counted from 0; None: all.

    Raises:
        Exception: of many kinds, from the first decoder, if all of them fail.
    """
    from pydicom.pixels import pixel_array

    syntax = dataset.file_meta.TransferSyntaxUID
    orders = {encoding.uid: encoding.decoders for encoding in list_encodings()} if syntax.is_encapsulated else {}
    first: Exception | None = None
    for decoder in orders.get(syntax, ()):
        try:
            return pixel_array(dataset, index=frame, correct_unused_bits=False, decoding_plugin=decoder)
        except Exception as error:  # a decoder raises what it likes
            first = first or error
    if first is not None:
        raise first
    return pixel_array(dataset, index=frame, correct_unused_bits=False)


def _list_decoders(syntax: str, order: tuple[str, ...]) -> tuple[str, ...]:
    installed = _find_decoder(syntax).available_plugins
    return tuple(name for name in order if name in installed)


@functools.cache
def _find_decoder(syntax: str) -> Decoder:
    """Find the decoder of pydicom for a transfer syntax, and make the plugin of this package known to it."""
    from pydicom.pixels import get_decoder

    from kneebundle.io import imagecodecs_plugin

    decoder = get_decoder(syntax)
    known = {*decoder.available_plugins, *(text.split(" - ")[0] for text in decoder.missing_dependencies)}
    if syntax in imagecodecs_plugin.DECODER_DEPENDENCIES and "imagecodecs" not in known:
        decoder.add_plugin("imagecodecs", (imagecodecs_plugin.__name__, "decode_frame"))
    return decoder
