"""A bundle as the one file that the MONAI Model Zoo publishes, with the part of this package that it needs inside."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import kneebundle
from kneebundle.errors import KneeBundleError
from kneebundle.io.writing import write_whole
from kneebundle.zoo.archive import write_archive
from kneebundle.zoo.checks import check_files, read_metadata
from kneebundle.zoo.installed import bundle_root, file_digest
from kneebundle.zoo.model_info import read_model_info, write_model_info
from kneebundle.zoo.needed import NeededPart, needed_part

__all__ = ["MODEL_ZOO", "PackedBundle", "find_bundle", "pack_bundle"]

MODEL_ZOO = "https://github.com/Project-MONAI/model-zoo/releases/download/hosting_storage_v1"
"""Where the zoo puts its files."""

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
    return folder.resolve() if folder.is_dir() else bundle_root(name)


def pack_bundle(root: Path, output: Path, url: str = MODEL_ZOO, overwrite: bool = False) -> PackedBundle:
    """Write ``<name>_v<version>.zip`` and its entry in ``model_info.json``.

    In the file lies the folder ``<name>``: ``LICENSE`` (of the bundle and of the package's part, both Apache-2.0), ``configs/``, ``docs/``
    and ``models/`` as they are, without hidden files, and in ``kneebundle/`` what :func:`~kneebundle.zoo.needed.needed_part` finds.
    The same content gives the same bytes. The entry has the zoo's ``checksum`` (SHA-1) and ``source``, and ``sha256``; entries of other
    bundles stay.

    Args:
        root: the bundle's folder; its name is the bundle's.
        output: folder for the two files; made if need be.
        url: folder on the net that the file will be put into.
        overwrite: pack a version again though its content has changed.

    Raises:
        KneeBundleError: if the bundle is not what the zoo asks, see :mod:`kneebundle.zoo.checks`, if its metadata lack a package that it
            imports, if this version was packed into ``output`` before with other content, or if ``output`` cannot be written to.
    """
    root = root.resolve()
    files = _bundle_files(root)
    check_files(root, files)
    metadata = read_metadata(root)
    needed = needed_part(path for path in files if path.suffix in (".json", ".md") and path.name != "metadata.json")
    _check_requirements(root, set(metadata["required_packages_version"]), needed)

    package_folder = Path(kneebundle.__file__).resolve().parent.parent
    members = {f"{root.name}/{file.relative_to(root).as_posix()}": file for file in files}
    members |= {f"{root.name}/{file.as_posix()}": package_folder / file for file in needed.files}
    path = output / f"{root.name}_v{metadata['version']}.zip"
    try:
        output.mkdir(parents=True, exist_ok=True)
        sha256 = _write(path, members, url, overwrite)
    except OSError as error:
        raise KneeBundleError(
            f"this folder cannot be written to ({error.strerror}); give another one", output
        ) from error
    return PackedBundle(path, sha256, len(needed.files))


def _write(path: Path, members: dict[str, Path], url: str, overwrite: bool) -> str:
    """Write the archive and its entry; gives the archive's sha256."""
    entries = read_model_info(path.parent / "model_info.json")
    with write_whole(path) as temporary:
        write_archive(temporary, members)
        checksum, sha256 = file_digest(temporary, "sha1"), file_digest(temporary, "sha256")
        if not overwrite and entries.get(path.stem, {}).get("checksum", checksum) != checksum:
            raise KneeBundleError(
                "this version was packed before with other content; give the bundle a new version, or pass --overwrite",
                path,
            )
    entries[path.stem] = {"checksum": checksum, "source": f"{url.rstrip('/')}/{path.name}", "sha256": sha256}
    write_model_info(path.parent / "model_info.json", entries)
    return sha256


def _bundle_files(root: Path) -> list[Path]:
    found = [root / "LICENSE"] if (root / "LICENSE").is_file() else []
    for folder in _FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            parts = path.relative_to(root).parts
            if path.is_file() and not any(part.startswith((".", "__pycache__")) for part in parts):
                found.append(path)
    return found


def _check_requirements(root: Path, named: set[str], needed: NeededPart) -> None:
    """Refuse metadata from which somebody would install too little."""
    missing = [name for name in needed.distributions if name not in named]
    if missing:
        raise KneeBundleError(
            f"required_packages_version lacks {', '.join(missing)}, which the bundle imports; add it with its version",
            root / "configs" / "metadata.json",
        )
