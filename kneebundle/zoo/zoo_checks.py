"""Run the Model Zoo's checks and unit tests over what a pull request would bring."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from kneebundle.bundles import hash_file
from kneebundle.errors import KneeBundleError
from kneebundle.zoo import verify
from kneebundle.zoo.pull_request import UPLOADS, PullRequest

__all__ = ["check_pull_request"]


def check_pull_request(request: PullRequest, report: Callable[[str], object] = print, unit_tests: bool = True) -> None:
    """Do with a bundle's pull request what the Model Zoo's CI does, in a copy and in processes of their own.

    Files, version, metadata, keys, documentation, the network's input and output, the export as TorchScript
    (:mod:`kneebundle.zoo.verify`), then the bundle's unit tests: training, evaluation and inference with their
    properties, on one device and on several (two processes where there is no GPU). Files of ``large_files.yml`` are
    taken from where they wait to be uploaded, and held against the hash that is written there.

    Args:
        request: as :func:`~kneebundle.zoo.pull_request.write_pull_request` gives it.
        report: is called with a line for each check that passed.
        unit_tests: whether to run these, which take minutes.

    Raises:
        KneeBundleError: at the first check that does not pass.
    """
    models, name = request.folder.parent, request.folder.name
    with tempfile.TemporaryDirectory() as scratch:
        clone = Path(scratch)
        shutil.copytree(request.folder, clone / "models" / name)
        for file in models.glob("*.json"):  # model_info.json, and the schema of the metadata
            shutil.copy(file, clone / "models")
        _fetch_large_files(request, clone / "models" / name)
        _run([verify.__file__, name], clone, request.folder, report)
        for test in request.tests if unit_tests else ():
            place = clone / "ci" / "unit_tests" / test.name
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(test, place)
            _run([str(place)], clone, test, report)
            report(f"{test.name}: passed")


def _fetch_large_files(request: PullRequest, bundle: Path) -> None:
    from monai.bundle import ConfigParser

    listed = bundle / "large_files.yml"
    if not listed.is_file():
        return
    waiting = {f"{UPLOADS}/{path.name}": path for path in request.uploads}
    for entry in ConfigParser.load_config_file(str(listed))["large_files"]:
        source = waiting.get(f"{UPLOADS}/{entry['url'].rsplit('/', maxsplit=1)[-1]}")
        if source is None or hash_file(source, entry["hash_type"]) != entry["hash_val"]:
            raise KneeBundleError(f"{entry['path']} is not the file that waits to be uploaded; write it again", listed)
        (bundle / entry["path"]).parent.mkdir(exist_ok=True)
        shutil.copyfile(source, bundle / entry["path"])


def _run(arguments: list[str], folder: Path, checked: Path, report: Callable[[str], object]) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    # torchrun of this Python, whatever else is on the path
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment.get("PATH", os.defpath)])
    done = subprocess.run([sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True)
    for line in done.stdout.splitlines() if arguments[0] == verify.__file__ else ():
        report(line)
    if done.returncode != 0:
        raise KneeBundleError(f"the Model Zoo's check does not pass: {_find_reason(done.stderr)}", checked)


def _find_reason(stderr: str) -> str:
    """The first error of a chain of tracebacks, or else the last line."""
    lines = [line for line in stderr.splitlines() if line.strip()] or ["no word of why"]
    return next((line for line in lines if re.match(r"[\w.]+(Error|Exception): ", line)), lines[-1])
