"""Write the folder that the server of MONAI Label takes as its app."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

from kneebundle.bundles import find_installed_bundle
from kneebundle.errors import KneeBundleError
from kneebundle.io.writing import find_missing, remove_empty_folders

__all__ = ["MODELS", "choose_models", "write_app"]

LANDMARKS = "knee_landmark_localization"
PLANNING = "knee_surgical_planning"
MODELS = (LANDMARKS, PLANNING)
"""What the app can serve."""
_BUNDLES = (*MODELS, "knee_roi_localization", "knee_quality_check")
_BUNDLE_PARTS = ("configs", "docs", "models", "LICENSE")
_FILES = Path(__file__).with_name("files")


def write_app(folder: Path, overwrite: bool = False) -> None:
    """Write the app: ``main.py``, ``README.md``, what to install, and a copy of the bundles in ``model/``.

    Args:
        folder: new or empty.
        overwrite: bring an app that is there up to date; weights that it trained (``trained/``) and its logs stay.

    Raises:
        KneeBundleError: if the folder holds something else, or an app and ``overwrite`` is False.
    """
    _check_free(folder, overwrite)
    missing = find_missing(folder.parent)
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = folder.parent / f".{uuid4().hex[:12]}"
    try:
        shutil.copytree(_FILES, fresh, ignore=shutil.ignore_patterns("__pycache__"))
        for bundle in _BUNDLES:
            _copy_bundle(find_installed_bundle(bundle), fresh / "model" / bundle)
        if folder.exists():
            _move_into(fresh, folder)
        else:
            fresh.rename(folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
        remove_empty_folders(missing)


def choose_models(names: str) -> Sequence[str]:
    """Choose models by their names, joined by commas; ``all`` is all of them.

    Args:
        names: as in the server's setting ``models``.

    Raises:
        KneeBundleError: if the app has no model of a name.
    """
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    if not wanted or "all" in wanted:
        return MODELS
    unknown = [name for name in wanted if name not in MODELS]
    if unknown:
        raise KneeBundleError(f"there is no model {unknown[0]!r}; {', '.join(MODELS)} or all is needed", field="models")
    return list(dict.fromkeys(wanted))


def _check_free(folder: Path, overwrite: bool) -> None:
    if not folder.exists():
        return
    if not folder.is_dir():
        raise KneeBundleError("this is a file; a new folder is needed for the app", folder, "output")
    if not any(folder.iterdir()):
        return
    main = folder / "main.py"
    if not main.is_file() or "kneebundle.label_app" not in main.read_text(encoding="utf-8", errors="replace"):
        raise KneeBundleError(
            "the folder holds something else than this app; a new or empty one is needed", folder, "output"
        )
    if not overwrite:
        raise KneeBundleError(
            "the app is already there; overwriting brings it up to date and keeps the weights that it trained",
            folder,
            "overwrite",
        )


def _copy_bundle(source: Path, target: Path) -> None:
    for part in _BUNDLE_PARTS:
        if (source / part).is_dir():
            shutil.copytree(source / part, target / part)
        else:
            shutil.copy2(source / part, target / part)


def _move_into(fresh: Path, folder: Path) -> None:
    """Move what is fresh into the folder, bundle by bundle, and main.py last."""
    (folder / "model").mkdir(exist_ok=True)
    parts = sorted(path.relative_to(fresh) for path in fresh.iterdir() if path.name not in ("model", "main.py"))
    for part in (*(Path("model", bundle) for bundle in _BUNDLES), *parts, Path("main.py")):
        if (folder / part).is_dir():
            shutil.rmtree(folder / part)
        (fresh / part).replace(folder / part)
