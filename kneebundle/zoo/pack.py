"""A bundle as the one file that the MONAI Model Zoo publishes, with this package inside."""

from __future__ import annotations

import os
import zipfile
from dataclasses import dataclass
from pathlib import Path

import kneebundle
from kneebundle.bundles import find_installed_bundle, hash_file
from kneebundle.errors import KneeBundleError
from kneebundle.io.writing import write_atomically
from kneebundle.zoo.archive import write_archive
from kneebundle.zoo.checks import check_configs, check_files, read_metadata
from kneebundle.zoo.model_info import read_model_info, write_model_info

__all__ = [
    "LEFT_OUT",
    "MODEL_ZOO",
    "PackedBundle",
    "find_bundle",
    "list_bundle_files",
    "list_package_files",
    "pack_bundle",
]

MODEL_ZOO = "https://github.com/Project-MONAI/model-zoo/releases/download/hosting_storage_v1"
"""Where the zoo puts its files."""

LEFT_OUT = ("__main__.py", "cli", "diagnosis", "dicom_node", "label_app", "zoo", "_bundles")
"""Parts of this package that no bundle uses: the command line, its servers, packing, and the other bundles."""

_FOLDERS = ("configs", "docs", "models")


@dataclass(frozen=True)
class PackedBundle:
    """A packed bundle.

    Attributes:
        path: of the ZIP file, ``<name>_v<version>.zip``.
        sha256: of the ZIP file.
        package_files: how many files of this package are inside.
    """

    path: Path
    sha256: str
    package_files: int


def find_bundle(name: str) -> Path:
    """The folder of a bundle that is given by its path or, if it is installed, by its name.

    Raises:
        KneeBundleError: if it is neither.
    """
    folder = Path(name)
    return folder.resolve() if folder.is_dir() else find_installed_bundle(name)


def pack_bundle(root: Path, output: Path, url: str = MODEL_ZOO, overwrite: bool = False) -> PackedBundle:
    """Write ``<name>_v<version>.zip`` and its entry in ``model_info.json``.

    In the file lies the folder ``<name>``: ``LICENSE`` (of the bundle and of the package, both Apache-2.0),
    ``configs/``, ``docs/`` and ``models/`` as they are, without hidden files, and ``kneebundle/``, this package without
    :data:`LEFT_OUT`. The same content gives the same bytes. The entry has the zoo's ``checksum`` (SHA-1) and
    ``source``, and ``sha256``; entries of other bundles stay.

    Args:
        root: the bundle's folder; its name is the bundle's.
        output: folder for the two files; made if need be.
        url: folder on the net that the file will be put into.
        overwrite: pack a version again though its content has changed.

    Raises:
        KneeBundleError: if the bundle is not what the zoo asks, see :mod:`kneebundle.zoo.checks`, if this version was
            packed into ``output`` before with other content, or if ``output`` cannot be written to.
    """
    root = root.resolve()
    files = list_bundle_files(root)
    check_files(root, files)
    metadata = read_metadata(root)
    check_configs(root, LEFT_OUT)

    package = Path(kneebundle.__file__).resolve().parent
    package_files = list_package_files(package)
    members = {f"{root.name}/{file.relative_to(root).as_posix()}": file for file in files}
    members |= {f"{root.name}/{file.relative_to(package.parent).as_posix()}": file for file in package_files}
    path = output / f"{root.name}_v{metadata['version']}.zip"
    try:
        output.mkdir(parents=True, exist_ok=True)
        sha256 = _write(path, members, url, overwrite)
    except OSError as error:
        raise KneeBundleError(f"this folder cannot be written to ({error.strerror})", output, "output") from error
    return PackedBundle(path, sha256, len(package_files))


def list_package_files(package: Path) -> list[Path]:
    """List what of this package goes into a packed bundle: all modules, stubs and data, but not :data:`LEFT_OUT`."""
    paths = (path for path in sorted(package.rglob("*")) if path.is_file() and "__pycache__" not in path.parts)
    return [path for path in paths if path.relative_to(package).parts[0] not in LEFT_OUT]


def list_bundle_files(root: Path) -> list[Path]:
    """List what of a bundle's folder is packed: LICENSE, configs/, docs/ and models/, without hidden files."""
    found = [root / "LICENSE"] if (root / "LICENSE").is_file() else []
    for folder in _FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            parts = path.relative_to(root).parts
            if path.is_file() and not any(part.startswith((".", "__pycache__")) for part in parts):
                found.append(path)
    return found


def _write(path: Path, members: dict[str, Path], url: str, overwrite: bool) -> str:
    """Write the archive and its entry; gives the archive's sha256."""
    entries = read_model_info(path.parent / "model_info.json")
    if os.path.lexists(path) and not _is_packed(path):
        raise KneeBundleError("a file of this name is there that is no packed bundle; move it away", path, "output")
    with write_atomically(path) as temporary:
        write_archive(temporary, members)
        checksum, sha256 = hash_file(temporary, "sha1"), hash_file(temporary, "sha256")
        if not overwrite and entries.get(path.stem, {}).get("checksum", checksum) != checksum:
            raise KneeBundleError(
                "this version was packed before with other content; a new version is needed, or overwriting it",
                path,
                "overwrite",
            )
    entries[path.stem] = {"checksum": checksum, "source": f"{url.rstrip('/')}/{path.name}", "sha256": sha256}
    write_model_info(path.parent / "model_info.json", entries)
    return sha256


def _is_packed(path: Path) -> bool:
    """Whether a file is an archive that :func:`pack_bundle` wrote."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith("/kneebundle/__init__.py") for name in archive.namelist())
    except (OSError, ValueError, zipfile.BadZipFile):
        return False
