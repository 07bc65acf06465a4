"""What the Model Zoo's ci/verify_bundle.py and its CONTRIBUTING.md ask, run in a folder with models/ as in the zoo.

    python verify.py NAME

A script of its own that imports nothing of the kneebundle beside it, but that in the bundle, as on the zoo's machines.
It prints a line a check and ends at the first that fails.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

LARGEST_FILE = 25_000_000
NECESSARY = ("LICENSE", "configs/metadata.json", "models/model.pt", "configs/inference.json")
HEADINGS = (
    *("### **Authors**", "### **Tags**", "## **Model Description**", "## **Data**", "## **Performance**"),
    *("## **System Configuration**", "## **Limitations**", "## **Citation Info**", "## **References**"),
)
KEYS = {
    "inference.json": ("bundle_root", "device", "network_def", "inferer", "output_dir", "preprocessing"),
    "train.json": (
        *("bundle_root", "device", "dataset_dir", "output_dir", "val_interval"),
        *("train#trainer", "train#trainer#max_epochs", "train#dataset", "train#dataset#data", "train#handlers"),
        *("train#preprocessing", "train#inferer", "validate#evaluator", "validate#handlers", "validate#dataset"),
        *("validate#dataset#data", "validate#preprocessing", "validate#postprocessing", "validate#inferer"),
        "validate#key_metric",
    ),
}


class FailedCheckError(Exception):
    """The zoo would not take the bundle."""


def check_name(root: Path) -> str:
    """Words joined by underscores: what it does with what."""
    if not re.fullmatch(r"[a-zA-Z][a-zA-Z0-9]*(_[a-zA-Z0-9]+)+", root.name):
        raise FailedCheckError(f"{root.name!r} is no name like spleen_ct_segmentation")
    return root.name


def check_files(root: Path) -> str:
    """What has to be there is, and nothing that git would carry is too large."""
    for name in NECESSARY:
        if not (root / name).is_file():
            raise FailedCheckError(f"{name} is missing")
    elsewhere = {root / name for name in list_large_files(root)}
    files = [path for path in root.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    for path in sorted(set(files) - elsewhere):
        if path.stat().st_size > LARGEST_FILE:
            raise FailedCheckError(f"{path.relative_to(root)} has more than 25 MB and is not in large_files.yml")
    return f"{len(files)} files, {len(elsewhere)} of them from large_files.yml"


def list_large_files(root: Path) -> list[str]:
    """The paths that large_files.yml names."""
    path = root / "large_files.yml"
    return re.findall(r'^  - path: "(.+)"$', path.read_text(), flags=re.MULTILINE) if path.is_file() else []


def check_version(root: Path) -> str:
    """The version is in the changelog, and the zoo has no bundle of that version."""
    metadata = read(root / "configs" / "metadata.json")
    version = metadata["version"]
    if version not in metadata["changelog"]:
        raise FailedCheckError(f"the changelog does not name version {version}")
    taken = root.parent / "model_info.json"
    if taken.is_file() and f"{root.name}_v{version}" in read(taken):
        raise FailedCheckError(f"version {version} is in model_info.json already")
    return version


def check_metadata(root: Path) -> str:
    """By the schema that the metadata name: beside the bundles, where the zoo's CI puts it, or from the net."""
    from monai.apps.utils import download_url
    from monai.bundle import verify_metadata

    url = read(root / "configs" / "metadata.json")["schema"]
    schema = root.parent / url.rsplit("/", maxsplit=1)[-1]
    if not schema.is_file():
        try:
            download_url(url, str(schema), progress=False)
        except Exception as error:  # whatever the net says
            schema.unlink(missing_ok=True)
            return f"not checked: the schema cannot be fetched ({type(error).__name__}); put it at models/{schema.name}"
    verify_metadata(meta_file=str(root / "configs/metadata.json"), filepath=str(schema), create_dir=False)
    return "as the schema asks"


def check_keys(root: Path) -> str:
    """The keys of the configurations that all bundles of the zoo share."""
    from monai.bundle import ConfigParser

    found = [name for name in KEYS if (root / "configs" / name).is_file()]
    for name in found:
        parser = ConfigParser(read(root / "configs" / name))
        missing = [key for key in KEYS[name] if key not in parser]
        if missing:
            raise FailedCheckError(f"{name} lacks {', '.join(missing)}")
    return " and ".join(found)


def check_readme(root: Path) -> str:
    """The headings of the zoo's template, in their order."""
    lines = (root / "docs" / "README.md").read_text(encoding="utf-8").splitlines()
    if not re.fullmatch(r"# \S.*", lines[0]) or [line for line in lines if line in HEADINGS] != list(HEADINGS):
        raise FailedCheckError(f"docs/README.md has other headings than a title and {', '.join(HEADINGS)}")
    return f"{len(HEADINGS)} headings"


def check_multi_gpu(root: Path) -> str:
    """A bundle that trains a network has the overlays for several GPUs, or says why not."""
    overlays = [f"multi_gpu_{name}" for name in ("train.json", "evaluate.json") if (root / "configs" / name).is_file()]
    missing = [name for name in overlays if not (root / "configs" / name).is_file()]
    if missing and "There is no `multi_gpu_train.json`" not in (root / "docs" / "README.md").read_text():
        raise FailedCheckError(f"configs/ lacks {', '.join(missing)}")
    return "none, and docs/README.md says why" if missing else " and ".join(overlays) or "none, as it has no training"


def check_network(root: Path) -> str:
    """The network takes and gives what the metadata say."""
    from monai.bundle import verify_net_in_out

    verify_net_in_out(
        net_id="network_def",
        meta_file=str(root / "configs/metadata.json"),
        config_file=str(root / "configs/inference.json"),
        bundle_root=str(root),
    )
    return "input and output as in the metadata"


def check_torchscript(root: Path) -> str:
    """The weights can be exported as TorchScript."""
    from monai.bundle import ckpt_export

    ckpt_export(
        net_id="network_def",
        filepath=str(root / "models/verify_model.ts"),
        ckpt_file=str(root / "models/model.pt"),
        meta_file=str(root / "configs/metadata.json"),
        config_file=str(root / "configs/inference.json"),
        bundle_root=str(root),
    )
    (root / "models/verify_model.ts").unlink()
    return "exported"


def check_own_code(root: Path) -> str:
    """All that ran came from the bundle, or from the package that its metadata require."""
    import kneebundle

    required = read(root / "configs/metadata.json")["required_packages_version"].get("kneebundle")
    if required is not None:
        if required != kneebundle.__version__:
            raise FailedCheckError(f"kneebundle {required} is required, and {kneebundle.__version__} was checked with")
        return f"kneebundle {required}, which has to be on PyPI"
    place = Path(kneebundle.__file__).resolve().parent
    if place.parent != root.resolve():
        raise FailedCheckError(f"kneebundle was imported from {place}, and the zoo has no other than the bundle's")
    return "the kneebundle in the bundle"


CHECKS: dict[str, Callable[[Path], str]] = {
    "name": check_name,
    "files": check_files,
    "version": check_version,
    "metadata": check_metadata,
    "keys": check_keys,
    "readme": check_readme,
    "multi_gpu": check_multi_gpu,
    "network": check_network,
    "torchscript": check_torchscript,
    "code": check_own_code,
}


def read(path: Path) -> Any:
    """A JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def main(name: str) -> None:
    """Check a bundle in models/ of the working directory."""
    root = Path("models") / name
    sys.path[0] = str(root)
    output, sys.stdout = sys.stdout, sys.stderr  # MONAI prints much
    for title, check in CHECKS.items():
        try:
            found = check(root)
        except FailedCheckError as error:
            sys.exit(f"{title}: {error}")
        print(f"{title}: {found}", file=output, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
