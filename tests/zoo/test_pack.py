"""Packing: the same bytes from the same content, the zoo's list, and an error where the zoo would not take the file."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import kneebundle
from kneebundle.errors import KneeBundleError
from kneebundle.zoo.checks import REQUIRED_PACKAGES
from kneebundle.zoo.pack import find_bundle, pack_bundle

TENSOR = dict.fromkeys(("type", "format", "num_channels", "spatial_shape", "dtype", "value_range"), 1)
METADATA: dict[str, Any] = {
    **dict.fromkeys(
        ("monai_version", "pytorch_version", "numpy_version", "task", "description", "authors", "copyright"), "text"
    ),
    **dict.fromkeys(("name", "data_source", "intended_use"), "text"),
    "version": "0.2.0",
    "changelog": {"0.2.0": "more", "0.1.0": "first"},
    "required_packages_version": dict.fromkeys(REQUIRED_PACKAGES, "1.0"),
    "eval_metrics": {},
    "network_data_format": {"inputs": {"image": TENSOR}, "outputs": {"pred": TENSOR}},
}
FILES = {
    "LICENSE": "Apache",
    "configs/inference.json": json.dumps({"network_def": {"_target_": "kneebundle.networks.blocks.HMPBlock"}}),
    "models/model.pt": "weights",
    "docs/README.md": "# A",
    "docs/data_license.txt": "CC BY",
    "configs/metadata.json": json.dumps(METADATA),
}


def write_bundle(root: Path, names: list[str] | None = None) -> Path:
    for name in names or FILES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(FILES[name])
    return root


def with_metadata(**changes: Any) -> Callable[[Path], object]:
    return lambda root: (root / "configs/metadata.json").write_text(json.dumps({**METADATA, **changes}))


def with_config(**content: Any) -> Callable[[Path], object]:
    return lambda root: (root / "configs/inference.json").write_text(json.dumps(content))


def test_the_file_holds_the_bundle_and_the_package(tmp_path: Path) -> None:
    root = write_bundle(tmp_path / "b")
    for unwanted in ("eval/schema.json", "output/model.pt", "models/.hidden", "docs/__pycache__/a.pyc", "notes.txt"):
        (root / unwanted).parent.mkdir(exist_ok=True)
        (root / unwanted).touch()
    packed = pack_bundle(root, tmp_path / "out")
    assert packed.path == tmp_path / "out/b_v0.2.0.zip"
    with zipfile.ZipFile(packed.path) as archive:
        names = [name.removeprefix("b/") for name in archive.namelist()]
        assert archive.read("b/models/model.pt") == b"weights"
        networks = archive.read("b/kneebundle/networks/__init__.pyi")
    package = {name.removeprefix("kneebundle/") for name in names if name.startswith("kneebundle/")}
    assert set(names) - {f"kneebundle/{name}" for name in package} == set(FILES)
    assert networks == Path(kneebundle.__file__).with_name("networks").joinpath("__init__.pyi").read_bytes()
    assert package >= {"__init__.py", "errors.py", "networks/blocks.py", "measurements/hand_shape.json"}
    assert {name.split("/")[0] for name in package}.isdisjoint(
        {"__main__.py", "cli.py", "label_app", "zoo", "_bundles"}
    )
    assert not any("__pycache__" in name for name in package)
    assert packed.package_files == len(package)


def test_the_same_content_gives_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = pack_bundle(write_bundle(tmp_path / "one/b"), tmp_path / "out1")
    again = write_bundle(tmp_path / "two/b", sorted(FILES, reverse=True))
    package = shutil.copytree(Path(kneebundle.__file__).parent, tmp_path / "kneebundle", copy_function=shutil.copy)
    for file in (again / "LICENSE", package / "networks/blocks.py"):
        os.utime(file, (1e9, 1e9))
        file.chmod(0o600)
    monkeypatch.setattr(kneebundle, "__file__", str(package / "__init__.py"))
    second = pack_bundle(again, tmp_path / "out2")
    assert first.path.read_bytes() == second.path.read_bytes()
    assert (tmp_path / "out1/model_info.json").read_bytes() == (tmp_path / "out2/model_info.json").read_bytes()


def test_model_info_has_the_zoos_entries_and_keeps_those_of_others(tmp_path: Path) -> None:
    other = {"checksum": "1", "source": "somewhere"}
    (tmp_path / "model_info.json").write_text(json.dumps({"other_v1.0.0": other}))
    packed = pack_bundle(write_bundle(tmp_path / "b"), tmp_path, url="https://example.org/files/")
    content = packed.path.read_bytes()
    assert json.loads((tmp_path / "model_info.json").read_text()) == {
        "other_v1.0.0": other,
        "b_v0.2.0": {
            "checksum": hashlib.sha1(content).hexdigest(),
            "sha256": hashlib.sha256(content).hexdigest(),
            "source": "https://example.org/files/b_v0.2.0.zip",
        },
    }
    assert packed.sha256 == hashlib.sha256(content).hexdigest()


def test_a_version_changes_only_if_that_is_wanted(tmp_path: Path) -> None:
    root = write_bundle(tmp_path / "b")
    path = pack_bundle(root, tmp_path / "out").path
    before = path.read_bytes()
    pack_bundle(root, tmp_path / "out")
    (root / "models/model.pt").write_text("other weights")
    with pytest.raises(KneeBundleError, match="a new version is needed"):
        pack_bundle(root, tmp_path / "out")
    assert path.read_bytes() == before
    packed = pack_bundle(root, tmp_path / "out", overwrite=True)
    entry = json.loads((tmp_path / "out/model_info.json").read_text())["b_v0.2.0"]
    assert entry["sha256"] == packed.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda root: (root / "models/model.pt").unlink(), "models/model.pt is missing or empty"),
        (lambda root: (root / "models/model.pt").write_text(""), "models/model.pt is missing or empty"),
        (
            lambda root: os.truncate(root / "models/model.pt", 25_100_000),
            "model.pt: 25.1 MB; the Model Zoo takes no file over 25",
        ),
        (lambda root: (root / "LICENSE").unlink(), "LICENSE is missing"),
        (lambda root: (root / "docs/README.md").unlink(), "docs/README.md is missing"),
        (lambda root: (root / "docs/data_license.txt").unlink(), "docs/data_license.txt is missing"),
        (lambda root: (root / "configs/metadata.json").write_text("{"), "the metadata cannot be read"),
        (lambda root: (root / "configs/inference.json").write_text("{"), "inference.json: this file cannot be read"),
        (with_metadata(version="0.3.0"), "does not name version 0.3.0; found: 0.2.0, 0.1.0"),
        (with_metadata(version="new", changelog={"new": ""}), "three numbers like 0.1.0"),
        (with_metadata(task=""), "task is missing or is not a text"),
        (with_metadata(eval_metrics=None), "eval_metrics is missing or is not a table"),
        (with_metadata(required_packages_version={}), "lacks fire, itk, lazy-loader, nibabel"),
        (
            with_config(_target_="kneebundle.networks.Nothing"),
            "inference.json: kneebundle.networks.Nothing is named, and",
        ),
        (
            with_config(imports=["$import kneebundle.cli as cli"]),
            "kneebundle.cli is named, and no packed bundle has it",
        ),
        (with_metadata(network_data_format={"inputs": {"image": TENSOR}}), "network_data_format of pred lacks type, "),
    ],
)
def test_what_the_zoo_would_not_take_raises_an_error(
    tmp_path: Path, damage: Callable[[Path], object], says: str
) -> None:
    root = write_bundle(tmp_path / "b")
    damage(root)
    with pytest.raises(KneeBundleError) as error:
        pack_bundle(root, tmp_path / "out")
    assert says in str(error.value)
    assert not list((tmp_path / "out").glob("*"))


def test_a_file_of_others_is_left_alone(tmp_path: Path) -> None:
    root = write_bundle(tmp_path / "knee")
    packed = pack_bundle(root, tmp_path / "out")
    packed.path.write_bytes(b"mine")
    for overwrite in (False, True):
        with pytest.raises(KneeBundleError, match="no packed bundle; move it away"):
            pack_bundle(root, tmp_path / "out", overwrite=overwrite)
    assert packed.path.read_bytes() == b"mine"


def test_an_output_that_is_a_file_raises_an_error(tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    with pytest.raises(KneeBundleError, match="out: this folder cannot be written to"):
        pack_bundle(write_bundle(tmp_path / "b"), tmp_path / "out")


def test_a_bundle_is_found_by_folder_or_name(repository: Path, tmp_path: Path) -> None:
    assert find_bundle(str(write_bundle(tmp_path / "b"))) == tmp_path / "b"
    assert find_bundle("knee_roi_localization") == repository / "bundles/knee_roi_localization"
    with pytest.raises(KneeBundleError, match="there is no bundle 'nothing'"):
        find_bundle("nothing")
