"""A bundle as a pull request to the MONAI Model Zoo: the folders that are put into a clone of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import kneebundle
from kneebundle.bundles import hash_file
from kneebundle.errors import KneeBundleError
from kneebundle.io.writing import write_atomically
from kneebundle.zoo.checks import check_configs, check_files, read_metadata
from kneebundle.zoo.model_info import read_model_info
from kneebundle.zoo.pack import LEFT_OUT, list_bundle_files, list_package_files
from kneebundle.zoo.unit_tests import format_distributed_test, format_unit_test

__all__ = ["PullRequest", "write_pull_request"]

UPLOADS = "large_files"
"""Folder for what lies elsewhere on the net, beside models/ and ci/."""


@dataclass(frozen=True)
class PullRequest:
    """What was written of a bundle.

    Attributes:
        folder: ``models/<name>``.
        package_files: how many files of this package are inside; 0: the bundle requires it.
        tests: the bundle's files in ``ci/unit_tests``.
        uploads: what has to be put on the net before: all of the bundle's ``models/``. Empty: they are in the folder.
    """

    folder: Path
    package_files: int
    tests: tuple[Path, ...]
    uploads: tuple[Path, ...]


def write_pull_request(root: Path, output: Path, url: str | None = None, requires_package: bool = False) -> PullRequest:
    """Write ``models/<name>/`` and ``ci/unit_tests/test_<name>.py`` as a pull request to the Model Zoo has them.

    ``models/<name>/`` has the bundle's ``LICENSE``, ``configs/`` and ``docs/``, this package in ``kneebundle/`` without
    :data:`~kneebundle.zoo.pack.LEFT_OUT`, and the weights or ``large_files.yml``, which says where they lie. What was
    in this folder before is replaced; nothing else in ``output`` is touched, so that it may be a clone of the zoo.
    There is no entry in ``model_info.json``: the zoo makes it after the merge, and takes no bundle that has one.

    Args:
        root: the bundle's folder; its name is the bundle's.
        output: folder for ``models/`` and ``ci/``; made if need be.
        url: folder on the net for the weights, which are written to ``output/large_files/``, each under a name of its
            own. None: the weights are in ``models/<name>/models/``.
        requires_package: leave this package out, and name it with its version in the metadata's
            ``required_packages_version``, from which the zoo's CI installs it from PyPI.

    Raises:
        KneeBundleError: if the bundle is not what the zoo asks, see :mod:`kneebundle.zoo.checks`, if the zoo has this
            version, or if ``output`` cannot be written to.
    """
    root = root.resolve()
    files = list_bundle_files(root)
    weights = [file for file in files if file.is_relative_to(root / "models")] if url else []
    check_files(root, set(files) - set(weights))
    metadata = read_metadata(root)
    version = metadata["version"]
    check_configs(root, LEFT_OUT)
    models = output / "models"
    if f"{root.name}_v{version}" in read_model_info(models / "model_info.json"):
        raise KneeBundleError(
            f"the Model Zoo has version {version} of this bundle; raise the version, and say in the changelog what "
            "changed",
            root / "configs" / "metadata.json",
        )
    if (models / root.name).exists() and not (models / root.name / "configs" / "metadata.json").is_file():
        raise KneeBundleError("what is there is no bundle; move it away", models / root.name, "output")
    tests = {f"test_{root.name}.py": format_unit_test(root)}
    if (root / "configs" / "multi_gpu_train.json").is_file():
        tests[f"test_{root.name}_dist.py"] = format_distributed_test(root)

    package = Path(kneebundle.__file__).resolve().parent
    package_files = [] if requires_package else list_package_files(package)
    members = {file.relative_to(root): file for file in files if file not in weights}
    members |= {file.relative_to(package.parent): file for file in package_files}
    uploads = {file: output / UPLOADS / f"{root.name}_v{version}_{file.name}" for file in weights}
    try:
        _copy_members(models / root.name, members)
        if requires_package:
            metadata["required_packages_version"]["kneebundle"] = kneebundle.__version__
            _write(models / root.name / "configs" / "metadata.json", json.dumps(metadata, indent=4) + "\n")
        for file, upload in uploads.items():
            upload.parent.mkdir(exist_ok=True)
            shutil.copyfile(file, upload)
        if uploads:
            _write(models / root.name / "large_files.yml", _format_large_files(root, uploads, str(url)))
        for name, text in tests.items():
            _write(output / "ci" / "unit_tests" / name, text)
    except OSError as error:
        raise KneeBundleError(f"this folder cannot be written to ({error.strerror})", output, "output") from error
    written = tuple(output / "ci" / "unit_tests" / name for name in tests)
    return PullRequest(models / root.name, len(package_files), written, tuple(uploads.values()))


def _copy_members(folder: Path, members: Mapping[Path, Path]) -> None:
    """Write a folder with these files, in place of the one that is there, at once."""
    new = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    for name, file in members.items():
        (new / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, new / name)
    if folder.is_dir():
        shutil.rmtree(folder)
    new.rename(folder)


def _format_large_files(root: Path, uploads: Mapping[Path, Path], url: str) -> str:
    lines = ["large_files:"]
    for file, upload in uploads.items():
        lines.append(f'  - path: "{file.relative_to(root).as_posix()}"')
        lines.append(f'    url: "{url.rstrip("/")}/{upload.name}"')
        lines.append(f'    hash_val: "{hash_file(file)}"')
        lines.append('    hash_type: "sha256"')
    return "\n".join(lines) + "\n"


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_atomically(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
