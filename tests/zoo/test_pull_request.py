"""The folders of a pull request to the Model Zoo, and the zoo's checks run over them."""

from __future__ import annotations

import ast
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from monai.apps.utils import download_url

import kneebundle
from kneebundle.bundles import hash_file
from kneebundle.errors import KneeBundleError
from kneebundle.zoo import verify
from kneebundle.zoo.pull_request import write_pull_request
from kneebundle.zoo.unit_tests import SMALL_SETTINGS, find_small_settings
from kneebundle.zoo.zoo_checks import check_pull_request
from tests.bundles.bundle_runs import BUNDLES, WITHOUT_TRAINING, config

QUICK = "knee_parts_registration"


def copy_bundle(repository: Path, folder: Path, name: str = QUICK) -> Path:
    return shutil.copytree(repository / "bundles" / name, folder / name)


def change_metadata(root: Path, **changes: Any) -> None:
    path = root / "configs" / "metadata.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_the_folders_are_those_of_a_clone_of_the_zoo(repository: Path, tmp_path: Path) -> None:
    other, old = tmp_path / "models/other/LICENSE", tmp_path / "models/knee_roi_localization/old.txt"
    for path in (other, old, old.with_name("configs") / "metadata.json"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    request = write_pull_request(repository / "bundles/knee_roi_localization", tmp_path)
    bundle = tmp_path / "models/knee_roi_localization"
    assert request.folder == bundle and request.uploads == ()
    assert {path.name for path in bundle.iterdir()} == {"LICENSE", "configs", "docs", "models", "kneebundle"}
    assert (bundle / "models/model.pt").stat().st_size > 1_000_000
    assert not any((bundle / "kneebundle" / name).exists() for name in ("cli", "zoo", "dicom_node", "_bundles"))
    assert other.exists() and not old.exists()
    tests = {"test_knee_roi_localization.py", "test_knee_roi_localization_dist.py"}
    assert {path.name for path in (tmp_path / "ci/unit_tests").iterdir()} == tests
    assert {path.name for path in tmp_path.rglob("model_info.json")} == set(), "the zoo refuses what is listed"


def test_weights_that_lie_elsewhere_are_named_with_their_hash(repository: Path, tmp_path: Path) -> None:
    """What download_large_files of the zoo does with large_files.yml gives the bundle back."""
    request = write_pull_request(repository / "bundles/knee_landmark_localization", tmp_path, "https://example.org/w/")
    original = repository / "bundles/knee_landmark_localization/models"
    assert not (request.folder / "models").exists()
    listed = yaml.safe_load((request.folder / "large_files.yml").read_text())["large_files"]
    assert {Path(entry["path"]).name for entry in listed} == {path.name for path in original.iterdir()}
    uploads = {path.name: path for path in request.uploads}
    for entry in listed:
        address, name = entry["url"].rsplit("/", maxsplit=1)
        assert address == "https://example.org/w" and name.startswith("knee_landmark_localization_v")
        target = request.folder / entry["path"]
        hashes = {"hash_val": entry["hash_val"], "hash_type": entry["hash_type"]}
        download_url(uploads[name].as_uri(), str(target), progress=False, **hashes)
        assert hash_file(target) == hash_file(original / target.name)


def test_the_package_may_be_required_instead(repository: Path, tmp_path: Path) -> None:
    request = write_pull_request(repository / "bundles" / QUICK, tmp_path, requires_package=True)
    assert request.package_files == 0 and not (request.folder / "kneebundle").exists()
    metadata = json.loads((request.folder / "configs/metadata.json").read_text())
    original = config(repository / "bundles" / QUICK, "metadata.json")
    assert metadata["required_packages_version"].pop("kneebundle") == kneebundle.__version__
    assert metadata == original


def test_a_folder_of_its_name_that_is_no_bundle_stays(repository: Path, tmp_path: Path) -> None:
    other = tmp_path / "models" / QUICK / "thesis.txt"
    other.parent.mkdir(parents=True)
    other.touch()
    with pytest.raises(KneeBundleError, match="is no bundle; move it away"):
        write_pull_request(repository / "bundles" / QUICK, tmp_path)
    assert other.exists()


def test_a_bundle_that_only_predicts_has_a_test_of_that(repository: Path, tmp_path: Path) -> None:
    root = copy_bundle(repository, tmp_path)
    for name in ("train.json", "evaluate.json"):
        (root / "configs" / name).unlink()
    (test,) = write_pull_request(root, tmp_path / "out", requires_package=True).tests
    names = [node.name for node in ast.walk(ast.parse(test.read_text())) if isinstance(node, ast.FunctionDef)]
    assert [name for name in names if name.startswith("test_")] == ["test_inference"]


def test_a_version_that_the_zoo_has_is_an_error(repository: Path, tmp_path: Path) -> None:
    version = config(repository / "bundles" / QUICK, "metadata.json")["version"]
    (tmp_path / "models").mkdir()
    (tmp_path / "models/model_info.json").write_text(json.dumps({f"{QUICK}_v{version}": {}}))
    with pytest.raises(KneeBundleError, match=rf"has version {version} .*raise the version"):
        write_pull_request(repository / "bundles" / QUICK, tmp_path)
    assert not (tmp_path / "models" / QUICK).exists()


def test_a_file_over_25_mb_needs_a_place_on_the_net(repository: Path, tmp_path: Path) -> None:
    root = copy_bundle(repository, tmp_path)
    (root / "models/model.pt").write_bytes(bytes(25_100_000))
    with pytest.raises(KneeBundleError, match="takes no file over 25 MB"):
        write_pull_request(root, tmp_path / "out")
    request = write_pull_request(root, tmp_path / "out", "https://example.org")
    assert [path.stat().st_size for path in request.uploads] == [25_100_000]


def test_small_settings_of_a_bundle_of_another_name_are_those_that_its_training_has(
    repository: Path, tmp_path: Path
) -> None:
    root = copy_bundle(repository, tmp_path, "knee_landmark_scn").rename(tmp_path / "mine")
    assert "features" not in find_small_settings(root)
    change_metadata(root, takes_place_of="knee_landmark_scn")
    assert find_small_settings(root) == SMALL_SETTINGS["knee_landmark_scn"]


@pytest.mark.parametrize("name", BUNDLES)
def test_unit_tests_are_python_that_names_the_bundle(repository: Path, tmp_path: Path, name: str) -> None:
    request = write_pull_request(repository / "bundles" / name, tmp_path, requires_package=True)
    distributed = (repository / "bundles" / name / "configs/multi_gpu_train.json").exists()
    assert len(request.tests) == 1 + distributed
    for path in request.tests:
        text = path.read_text()
        ast.parse(text)
        assert "@" not in text and name in text and max(map(len, text.splitlines())) <= 120


def _remove(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).unlink()


def _replace(name: str, old: str, new: str) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new))

    return change


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (_remove("LICENSE"), "files: LICENSE is missing"),
        (_remove("configs/inference.json"), "files: configs/inference.json is missing"),
        (
            lambda folder: (folder / "docs/film.bin").write_bytes(bytes(25_100_000)),
            "files: docs/film.bin has more than 25 MB",
        ),
        (lambda folder: change_metadata(folder, version="9.9.9"), "version: the changelog does not name version 9.9.9"),
        (_replace("configs/train.json", '"val_interval":', '"interval":'), "keys: train.json lacks val_interval"),
        (_replace("docs/README.md", "### **Tags**", "### Tags"), "readme: docs/README.md has other headings"),
        (_remove("configs/multi_gpu_train.json"), "multi_gpu: configs/ lacks multi_gpu_train.json"),
    ],
)
def test_what_the_zoo_would_not_take_fails_its_check(
    repository: Path, tmp_path: Path, damage: Callable[[Path], object], says: str
) -> None:
    folder = write_pull_request(repository / "bundles/knee_roi_localization", tmp_path, requires_package=True).folder
    check, _, reason = says.partition(": ")
    verify.CHECKS[check](folder)
    damage(folder)
    with pytest.raises(verify.FailedCheckError, match=reason):
        verify.CHECKS[check](folder)


def test_the_first_check_that_fails_is_said(repository: Path, tmp_path: Path) -> None:
    request = write_pull_request(repository / "bundles/knee_roi_localization", tmp_path, requires_package=True)
    (request.folder / "LICENSE").unlink()
    lines: list[str] = []
    with pytest.raises(KneeBundleError, match="check does not pass: files: LICENSE is missing"):
        check_pull_request(request, report=lines.append)
    assert lines == ["name: knee_roi_localization"]


def test_other_weights_than_those_to_upload_fail_the_check(repository: Path, tmp_path: Path) -> None:
    request = write_pull_request(repository / "bundles" / QUICK, tmp_path, "https://example.org", True)
    request.uploads[0].write_text("others")
    with pytest.raises(KneeBundleError, match="models/model.pt is not the file that waits to be uploaded"):
        check_pull_request(request)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*BUNDLES, *WITHOUT_TRAINING])
def test_every_bundle_passes_the_checks_and_unit_tests_of_the_zoo(repository: Path, tmp_path: Path, name: str) -> None:
    """With the weights elsewhere, and the package inside; on one device, and by torchrun in two processes."""
    schema = repository.parent / "shared/data/monai_metadata_schema_20240725.json"
    (tmp_path / "models").mkdir()
    if schema.is_file():  # else it is fetched where there is a net, and left out where there is none
        url = config(repository / "bundles" / name, "metadata.json")["schema"]
        shutil.copy(schema, tmp_path / "models" / url.rsplit("/")[-1])
    lines: list[str] = []
    check_pull_request(
        write_pull_request(repository / "bundles" / name, tmp_path, "https://example.org"), report=lines.append
    )
    passed = dict(line.split(": ", maxsplit=1) for line in lines)
    assert passed["metadata"] == "as the schema asks" or (
        passed["metadata"].startswith("not checked") and not schema.is_file()
    )
    assert passed["code"] == "the kneebundle in the bundle"
    alone = name in ("knee_parts_registration", *WITHOUT_TRAINING)
    tests = [f"test_{name}.py"] + [f"test_{name}_dist.py"] * (not alone)
    assert [line for line in lines if line.endswith(": passed")] == [f"{test}: passed" for test in tests]
