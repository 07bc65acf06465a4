"""What predictions and registrations depend on besides the images: options, and the files of the bundles."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from kneebundle.bundles import find_bundle_root, hash_file
from kneebundle.pipelines.by_view import PipelineOptions
from kneebundle.pipelines.knee_pa import CHECK_BUNDLE, ROI_BUNDLE
from kneebundle.pipelines.lateral import PLANNING_BUNDLE
from kneebundle.registration.model import REGISTRATION_BUNDLE

__all__ = ["describe_pipeline", "describe_registration", "hash_bundle"]


def describe_pipeline(options: PipelineOptions) -> dict[str, Any]:
    """Describe what :meth:`~kneebundle.pipelines.by_view.PipelinesByView.from_bundles` would predict with.

    The device is left out: a run may be resumed on another machine.

    Returns:
        The options, and ``bundles`` with a hash of the configuration and weights of each.

    Raises:
        KneeBundleError: if a bundle is not there, or the folder of bundles is none.
    """
    names = [ROI_BUNDLE, options.landmark_bundle, CHECK_BUNDLE, PLANNING_BUNDLE]
    names += [REGISTRATION_BUNDLE] if options.refine else []
    return {
        "stages": options.stages,
        "mirror": options.mirror,
        "refine": options.refine,
        "runtime": options.runtime,
        "precision": options.precision,
        "bundles": _hash_bundles(names, options.bundles),
    }


def describe_registration(
    bundles: Path | None, loss: str, reference: Path | None, reference_side: str | None
) -> dict[str, Any]:
    """Describe what :meth:`~kneebundle.registration.model.RegistrationModel.from_bundles` would register with.

    Raises:
        KneeBundleError: if the bundle is not there.
    """
    return {
        "loss": loss,
        "reference": None if reference is None or not reference.is_file() else hash_file(reference),
        "reference_side": reference_side,
        "bundles": _hash_bundles([REGISTRATION_BUNDLE], bundles),
    }


def hash_bundle(root: Path) -> str:
    """Hash the configurations and weights of a bundle."""
    digest = hashlib.sha256()
    for file in sorted([*root.glob("configs/*"), *root.glob("models/*")]):
        if file.is_file():
            digest.update(f"{file.relative_to(root).as_posix()} {hash_file(file)}\n".encode())
    return digest.hexdigest()


def _hash_bundles(names: list[str], folder: Path | None) -> dict[str, str]:
    roots = [find_bundle_root(name, folder) for name in names]
    return {root.name: hash_bundle(root) for root in roots}
