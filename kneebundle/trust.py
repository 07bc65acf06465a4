"""Which bundles of other people may run the code in their configurations.

A configuration runs Python expressions when it is read. The bundles that came with the package, and copies of them with
other weights, are trusted; another one is once somebody has said so, until its configuration changes.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from kneebundle.bundles import find_bundles_folder
from kneebundle.errors import KneeBundleError
from kneebundle.io.paths import find_settings_folder, show_path
from kneebundle.io.writing import write_atomically

__all__ = ["check_trust", "hash_code", "trust_bundles"]


def check_trust(folder: Path) -> None:
    """Check that all bundles of a folder may run their code.

    Args:
        folder: with bundles, or a bundle itself.

    Raises:
        KneeBundleError: if one may not; it says which.
    """
    roots = {root: hash_code(root) for root in _find_roots(folder)}
    known = _read_trusted()
    if set(roots.values()) <= known:
        return
    known |= _hash_installed()
    unknown = [root for root, digest in roots.items() if digest not in known]
    if not unknown:
        return
    names = ", ".join(show_path(root.absolute().name) for root in unknown)
    raise KneeBundleError(
        f"the configurations of {names} are not those of an installed bundle, and they run as code when they are read; "
        "only use bundles of people you trust",
        folder,
        "trust",
    )


def trust_bundles(folder: Path) -> None:
    """Remember that the bundles of a folder may run their code, as their configurations are now.

    Args:
        folder: with bundles, or a bundle itself.

    Raises:
        KneeBundleError: if this cannot be written down.
    """
    trusted = _read_trusted()
    new = [f"{digest}  {show_path(root)}" for root in _find_roots(folder) if (digest := hash_code(root)) not in trusted]
    if not new:
        return
    path = _trusted_file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        before = path.read_text(encoding="utf-8") if path.is_file() else ""
        with write_atomically(path) as temporary:
            temporary.write_text(before + "".join(f"{line}\n" for line in new), encoding="utf-8")
    except OSError as error:
        raise KneeBundleError(f"cannot write down which bundles are trusted ({error.strerror})", path) from error


def hash_code(root: Path) -> str:
    """Hash what a bundle can run: its ``configs/`` and its Python files, with their names; gives sha256."""
    files = {path for path in [*root.glob("configs/**/*"), *root.rglob("*.py")] if path.is_file()}
    digest = hashlib.sha256()
    for path in sorted(files):
        for part in (os.fsencode(path.relative_to(root).as_posix()), path.read_bytes()):
            digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def _find_roots(folder: Path) -> Sequence[Path]:
    is_bundle = (folder / "configs").is_dir()
    return [folder] if is_bundle else sorted(path.parent for path in folder.glob("*/configs") if path.is_dir())


def _hash_installed() -> set[str]:
    try:
        return {hash_code(root) for root in _find_roots(find_bundles_folder())}
    except KneeBundleError:
        return set()


def _trusted_file() -> Path:
    return find_settings_folder() / "trusted"


def _read_trusted() -> set[str]:
    try:
        lines = _trusted_file().read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return set()
    return {line.split()[0] for line in lines if line.strip()}
