"""What the MONAI Model Zoo asks of a bundle before it is packed."""

from __future__ import annotations

import json
import pydoc
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from kneebundle.errors import KneeBundleError

__all__ = ["LARGEST_FILE", "REQUIRED_FILES", "REQUIRED_PACKAGES", "check_configs", "check_files", "read_metadata"]

LARGEST_FILE = 25_000_000
"""Bytes that the zoo takes in one file."""

REQUIRED_FILES = (
    "configs/metadata.json",
    "LICENSE",
    "configs/inference.json",
    "models/model.pt",
    "docs/README.md",
    "docs/data_license.txt",
)

REQUIRED_PACKAGES = tuple("fire itk lazy-loader nibabel pillow pydicom pytorch-ignite scikit-image scipy".split())
"""What a bundle's metadata name at least under required_packages_version: what monai.bundle's command line, and this
package's readers of images, phantoms, transforms and handlers import. A bundle may need more."""

_VERSION = re.compile(r"\d+\.\d+\.\d+")
_NAME = re.compile(r"\bkneebundle(?:\.\w+)+")
_TEXTS = (
    "version monai_version pytorch_version numpy_version task description authors copyright name data_source "
    "intended_use"
)
_TABLES = "changelog required_packages_version eval_metrics network_data_format"
_TENSOR = ("type", "format", "num_channels", "spatial_shape", "dtype", "value_range")


def check_files(root: Path, files: Collection[Path]) -> None:
    """Check that a bundle is complete and no file of it too large.

    Args:
        root: the bundle's folder.
        files: what of it is to be packed.

    Raises:
        KneeBundleError: if a file that is required is missing or empty, or one is larger than :data:`LARGEST_FILE`.
    """
    for name in REQUIRED_FILES:
        file = root / name
        if not file.is_file() or file.stat().st_size == 0:
            cure = "train the bundle, or copy its weights there" if name.startswith("models/") else "add it"
            raise KneeBundleError(f"{name} is missing or empty, and the Model Zoo requires it; {cure}", root)
    for file in sorted(files):
        if (size := file.stat().st_size) > LARGEST_FILE:
            raise KneeBundleError(
                f"{size / 1e6:.1f} MB; the Model Zoo takes no file over {LARGEST_FILE / 1e6:.0f} MB; "
                "make the network smaller, or take the file out of the bundle",
                file,
            )


def read_metadata(root: Path) -> dict[str, Any]:
    """Read the metadata of a bundle, and check them for what the zoo's schema and its version check ask.

    Raises:
        KneeBundleError: if they cannot be read, a field is missing or of another kind, or the changelog does not name
            the version.
    """
    path = root / "configs" / "metadata.json"
    try:
        metadata = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise KneeBundleError(f"the metadata cannot be read ({error}); correct the file", path) from error
    if not isinstance(metadata, dict):
        raise KneeBundleError(f"the metadata are a {type(metadata).__name__}; a table of fields is needed", path)
    _require(metadata, _TEXTS.split(), str, "a text", path)
    _require(metadata, _TABLES.split(), dict, "a table", path)
    missing = [name for name in REQUIRED_PACKAGES if name not in metadata["required_packages_version"]]
    if missing:
        raise KneeBundleError(
            f"required_packages_version lacks {', '.join(missing)}, which the bundle imports; add it with its version",
            path,
        )
    version, changelog = metadata["version"], metadata["changelog"]
    if not _VERSION.fullmatch(version):
        raise KneeBundleError(f"the version is {version!r}; three numbers like 0.1.0 are needed", path)
    if version not in changelog:
        named = ", ".join(changelog) or "nothing"
        raise KneeBundleError(f"the changelog does not name version {version}; found: {named}; add a line for it", path)
    for side, name in (("inputs", "image"), ("outputs", "pred")):
        tensors = metadata["network_data_format"].get(side)
        tensor = tensors.get(name) if isinstance(tensors, dict) else None
        missing = [key for key in _TENSOR if not isinstance(tensor, dict) or key not in tensor]
        if missing:
            raise KneeBundleError(f"network_data_format of {name} lacks {', '.join(missing)}; add it", path)
    return metadata


def check_configs(root: Path, left_out: Collection[str] = ()) -> None:
    """Check that the configurations of a bundle can be read, and that this package has what they name.

    Args:
        root: the bundle's folder.
        left_out: files and folders of this package that will not be there when the packed bundle runs.

    Raises:
        KneeBundleError: if one is no JSON, or names what is not there.
    """
    absent = {f"kneebundle.{name.removesuffix('.py')}" for name in left_out}
    for path in sorted(set((root / "configs").glob("*.json")) - {root / "configs" / "metadata.json"}):
        try:
            texts = list(_find_texts(json.loads(path.read_text(encoding="utf-8"))))
        except (OSError, ValueError) as error:
            raise KneeBundleError(f"this file cannot be read ({error}); correct it", path) from error
        for name in sorted({name for text in texts for name in _NAME.findall(text)}):
            if ".".join(name.split(".")[:2]) in absent:
                raise KneeBundleError(f"{name} is named, and no packed bundle has it; use something else", path)
            if pydoc.locate(name) is None:
                raise KneeBundleError(f"{name} is named, and this package has no such thing; correct the name", path)


def _find_texts(content: Any) -> Iterator[str]:
    """Every string of a JSON document but the keys."""
    if isinstance(content, str):
        yield content
    elif isinstance(content, dict | list):
        for value in content.values() if isinstance(content, dict) else content:
            yield from _find_texts(value)


def _require(metadata: dict[str, Any], keys: Collection[str], kind: type, called: str, path: Path) -> None:
    for key in keys:
        if not isinstance(metadata.get(key), kind) or metadata[key] == "":
            raise KneeBundleError(f"{key} is missing or is not {called}; the Model Zoo asks for it, add it", path)
