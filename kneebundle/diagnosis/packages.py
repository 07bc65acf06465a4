"""Which packages are installed, and what those are for that are not."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import NamedTuple

__all__ = ["PackageState", "list_packages"]

_NEEDED = {
    "torch": "runs and trains the networks",
    "monai": "the bundles",
    "numpy": "arrays",
    "scipy": "filters and statistics",
    "scikit-image": "contours and regions",
    "pydicom": "reads DICOM",
    "imagecodecs": "decodes lossless and 12-bit JPEG in DICOM",
    "pyjpegls": "decodes JPEG-LS in DICOM",
    "pylibjpeg": "decodes JPEG 2000 and RLE in DICOM, with the next two",
    "pylibjpeg-openjpeg": "decodes JPEG 2000 in DICOM",
    "pylibjpeg-rle": "decodes RLE in DICOM",
    "pillow": "reads PNG and JPEG",
    "highdicom": "writes DICOM SEG and SR",
    "itk": "reads MetaImage, registers",
    "nibabel": "reads NIfTI",
    "matplotlib": "draws overlays and plots",
    "pytorch-ignite": "trains",
    "onnxruntime": "runs the networks on a processor",
    "onnx": "exports the networks",
    "filelock": "one run a folder",
}
# What it is for, and what pip installs it
_OPTIONAL = {
    "openvino": ("predicts on a processor as fast as ONNX Runtime does", "openvino"),
    "ray": ("predicts in many processes", "kneebundle[ray]"),
    "pynetdicom": ("receives and sends DICOM images", "kneebundle[dicom]"),
    "monailabel": ("serves the app for MONAI Label", "monailabel"),
    "pylibjpeg-libjpeg": ("a second decoder of JPEG in DICOM, under the GPL", "kneebundle[gpl]"),
}


class PackageState(NamedTuple):
    """A package that kneebundle uses.

    Attributes:
        name: as pip calls it.
        version: None where it is not installed.
        needed: whether kneebundle does not work without it.
        purpose: what it is for.
        install: what to give pip for it.
    """

    name: str
    version: str | None
    needed: bool
    purpose: str
    install: str


def list_packages() -> list[PackageState]:
    """List the packages that kneebundle needs, then those that it can use.

    Example:
        >>> list_packages()[0].name
        'torch'
    """
    needed = [PackageState(name, _find_version(name), True, purpose, name) for name, purpose in _NEEDED.items()]
    optional = [
        PackageState(name, _find_version(name), False, purpose, install)
        for name, (purpose, install) in _OPTIONAL.items()
    ]
    return needed + optional


def _find_version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
