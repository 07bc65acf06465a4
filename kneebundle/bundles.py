"""Find the bundles that came with the package."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import kneebundle
from kneebundle.errors import KneeBundleError

__all__ = [
    "InstalledBundle",
    "find_bundle_root",
    "find_bundles_folder",
    "find_installed_bundle",
    "hash_file",
    "list_bundles",
]


@dataclass(frozen=True)
class InstalledBundle:
    """A bundle on this machine.

    Attributes:
        name: of its folder.
        version: from its metadata.
        root: its folder.
        weights: file name and sha256 of each weight file in ``models/``.
    """

    name: str
    version: str
    root: Path
    weights: tuple[tuple[str, str], ...]


def find_bundles_folder() -> Path:
    """Find the folder with the bundles: inside the installed package, or ``bundles/`` of a checkout.

    Raises:
        KneeBundleError: if neither is there.
    """
    package = Path(kneebundle.__file__).resolve().parent
    installed, checkout = package / "_bundles", package.parent / "bundles"
    if installed.is_dir():
        return installed
    if checkout.is_dir() and (package.parent / "pyproject.toml").is_file():
        return checkout
    raise KneeBundleError(
        "this installation has no bundles; install the package again, or use other bundles", field="bundles"
    )


def find_installed_bundle(name: str) -> Path:
    """Find the folder of an installed bundle.

    Raises:
        KneeBundleError: if there is no bundle of that name.
    """
    folder = find_bundles_folder()
    root = folder / name
    if not _metadata_file(root).is_file():
        found = ", ".join(path.name for path in _find_roots(folder)) or "none"
        raise KneeBundleError(f"there is no bundle {name!r}; installed: {found}", folder, "bundles")
    return root


def find_bundle_root(name: str, folder: str | Path | None = None) -> Path:
    """Find the folder of a bundle: in a folder with bundles or, where that has none of its kind, among those installed.

    A bundle of another name is taken where its metadata say that it ``takes_place_of`` the wanted one.

    Args:
        name: of the bundle.
        folder: to look in first; None: only those installed.

    Raises:
        KneeBundleError: if the folder has no bundle at all or several for that place, or nothing is found.
    """
    if folder is None:
        return find_installed_bundle(name)
    folder = Path(folder)
    if _metadata_file(folder / name).is_file():
        return folder / name
    others = {root: _read_place(root) for root in _find_roots(folder)}
    if not others:
        raise KneeBundleError(
            "no bundle is in this folder; a bundle is a folder with configs/metadata.json", folder, "bundles"
        )
    found = [root for root, place in others.items() if place == name]
    if len(found) > 1:
        names = ", ".join(root.name for root in found)
        raise KneeBundleError(
            f"several bundles take the place of {name} ({names}); leave one of them", folder, "bundles"
        )
    return found[0] if found else find_installed_bundle(name)


def _read_place(root: Path) -> str | None:
    try:
        content = json.loads(_metadata_file(root).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content.get("takes_place_of") if isinstance(content, dict) else None


def list_bundles(folder: Path | None = None) -> list[InstalledBundle]:
    """List the bundles of a folder, by name; None: those that came with the package.

    Raises:
        KneeBundleError: if the folder has no bundle, or a bundle's metadata cannot be read.
    """
    folder = find_bundles_folder() if folder is None else folder
    roots = _find_roots(folder)
    if not roots:
        raise KneeBundleError(
            "no bundle is in this folder; a bundle is a folder with configs/metadata.json", folder, "bundles"
        )
    return [_describe(root) for root in roots]


def _describe(root: Path) -> InstalledBundle:
    try:
        version = str(json.loads(_metadata_file(root).read_text(encoding="utf-8"))["version"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise KneeBundleError(
            "no version can be read from the metadata; install the bundle again", _metadata_file(root)
        ) from error
    files = sorted(path for path in root.glob("models/*") if path.suffix in (".pt", ".ts", ".onnx"))
    return InstalledBundle(root.name, version, root, tuple((path.name, hash_file(path)) for path in files))


def _find_roots(folder: Path) -> list[Path]:
    return sorted(path.parent.parent for path in folder.glob("*/configs/metadata.json"))


def _metadata_file(root: Path) -> Path:
    return root / "configs" / "metadata.json"


def hash_file(path: Path, algorithm: str = "sha256") -> str:
    """Hash the content of a file; gives hexadecimal digits. ``algorithm`` is a name of :mod:`hashlib`."""
    digest = hashlib.new(algorithm)
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
