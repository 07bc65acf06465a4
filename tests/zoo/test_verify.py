"""The checks of the Model Zoo, in this process: each says what it found, and what the zoo would not take."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import kneebundle
from kneebundle.bundles import hash_file
from kneebundle.errors import KneeBundleError
from kneebundle.zoo import verify, zoo_checks
from kneebundle.zoo.model_info import read_model_info
from kneebundle.zoo.pull_request import PullRequest, write_pull_request
from kneebundle.zoo.unit_tests import find_small_settings, format_unit_test
from kneebundle.zoo.verify import FailedCheckError
from kneebundle.zoo.zoo_checks import check_pull_request

QUICK = "knee_parts_registration"


@pytest.fixture
def root(repository: Path, tmp_path: Path) -> Path:
    """A bundle in models/ of a folder like the zoo's."""
    return shutil.copytree(repository / "bundles" / QUICK, tmp_path / "models" / QUICK)


def require(root: Path, **packages: str) -> None:
    path = root / "configs/metadata.json"
    content = json.loads(path.read_text())
    content["required_packages_version"] = {**content["required_packages_version"], **packages}
    path.write_text(json.dumps(content))


@pytest.mark.parametrize("name", ["knees", "2_knees", "knee-parts", "knee_"])
def test_a_name_that_is_not_like_those_of_the_zoo_fails(tmp_path: Path, name: str) -> None:
    with pytest.raises(FailedCheckError, match="is no name like spleen_ct_segmentation"):
        verify.check_name(tmp_path / name)
    assert verify.check_name(tmp_path / QUICK) == QUICK


def test_a_version_that_is_listed_already_fails(root: Path) -> None:
    version = verify.check_version(root)
    (root.parent / "model_info.json").write_text(json.dumps({f"{QUICK}_v{version}": {}}))
    with pytest.raises(FailedCheckError, match=f"version {version} is in model_info.json already"):
        verify.check_version(root)


def test_metadata_are_checked_by_the_schema_beside_the_bundles(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = json.loads((root / "configs/metadata.json").read_text())["schema"]
    schema = root.parent / url.rsplit("/", maxsplit=1)[-1]
    schema.write_text(json.dumps({"type": "object", "required": ["version"]}))
    assert verify.check_metadata(root) == "as the schema asks"
    schema.write_text(json.dumps({"type": "object", "required": ["what_no_bundle_has"]}))
    with pytest.raises(ValueError, match="what_no_bundle_has"):
        verify.check_metadata(root)
    schema.unlink()

    def fail(address: str, path: str, progress: bool) -> None:
        Path(path).write_text("half")
        raise OSError("no net")

    monkeypatch.setattr("monai.apps.utils.download_url", fail)
    assert verify.check_metadata(root).startswith(
        "not checked: the schema cannot be fetched (OSError); put it at models/"
    )
    assert not schema.exists()


def test_code_that_is_not_the_bundles_fails(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FailedCheckError, match="the zoo has no other than the bundle's"):
        verify.check_own_code(root)
    monkeypatch.setattr(kneebundle, "__file__", str(root / "kneebundle/__init__.py"))
    assert verify.check_own_code(root) == "the kneebundle in the bundle"
    require(root, kneebundle=kneebundle.__version__)
    assert "which has to be on PyPI" in verify.check_own_code(root)
    require(root, kneebundle="0.0.1")
    with pytest.raises(FailedCheckError, match="kneebundle 0.0.1 is required"):
        verify.check_own_code(root)


def test_the_checks_end_at_the_first_that_fails(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def print_much(_: Path) -> str:
        print("MONAI says much")
        return "good"

    checks: dict[str, Any] = {"name": verify.check_name, "loud": print_much, "files": verify.check_files}
    monkeypatch.setattr(verify, "CHECKS", checks)
    monkeypatch.chdir(root.parents[1])
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "stdout", sys.stdout)
    said = sys.stdout
    verify.main(QUICK)
    assert sys.path[0] == str(Path("models") / QUICK)
    monkeypatch.setattr(sys, "stdout", said)
    out, err = capsys.readouterr()
    assert [line.split(":")[0] for line in out.splitlines()] == ["name", "loud", "files"] and "says much" in err
    (root / "LICENSE").unlink()
    with pytest.raises(SystemExit, match="files: LICENSE is missing"):
        verify.main(QUICK)


def test_a_network_that_gives_what_the_metadata_say_passes(repository: Path, tmp_path: Path) -> None:
    """With a network of one layer in the place of the bundle's."""
    name = "knee_quality_check"
    root = shutil.copytree(repository / "bundles" / name, tmp_path / name)
    path = root / "configs/metadata.json"
    content = json.loads(path.read_text())
    given = {"type": "image", "format": "magnitude", "num_channels": 1, "spatial_shape": [8, 8], "dtype": "float32"}
    given |= {"value_range": [0, 1], "is_patch_data": False, "channel_def": {"0": "image"}}
    content["network_data_format"] = {"inputs": {"image": given}, "outputs": {"pred": {**given, "num_channels": 2}}}
    path.write_text(json.dumps(content))
    inference = root / "configs/inference.json"
    config = json.loads(inference.read_text())
    config["network_def"] = {"_target_": "torch.nn.Conv2d", "in_channels": 1, "out_channels": 2, "kernel_size": 1}
    inference.write_text(json.dumps(config))
    torch.save(torch.nn.Conv2d(1, 2, 1).state_dict(), root / "models/model.pt")
    assert verify.check_network(root) == "input and output as in the metadata"
    assert verify.check_torchscript(root) == "exported"
    assert not (root / "models/verify_model.ts").exists()
    config["network_def"]["out_channels"] = 3
    inference.write_text(json.dumps(config))
    with pytest.raises(Exception, match="channel"):
        verify.check_network(root)


def test_the_clone_that_is_checked_has_the_weights_the_lists_and_the_tests(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = write_pull_request(repository / "bundles" / QUICK, tmp_path, "https://example.org", True)
    (tmp_path / "models/model_info.json").write_text("{}")
    runs: list[list[str]] = []

    def run(arguments: list[str], clone: Path, checked: Path, report: Any) -> None:
        assert hash_file(clone / "models" / QUICK / "models/model.pt") == hash_file(request.uploads[0])
        assert (clone / "models/model_info.json").read_text() == "{}"
        assert all(Path(argument).exists() for argument in arguments[:1])
        runs.append([Path(argument).name for argument in arguments])

    monkeypatch.setattr(zoo_checks, "_run", run)
    lines: list[str] = []
    check_pull_request(request, lines.append)
    assert runs == [["verify.py", QUICK], [f"test_{QUICK}.py"]] and lines == [f"test_{QUICK}.py: passed"]
    check_pull_request(request, lines.append, unit_tests=False)
    assert len(runs) == 3 and len(lines) == 1
    with pytest.raises(KneeBundleError, match="is not the file that waits to be uploaded; write it again"):
        check_pull_request(PullRequest(request.folder, 0, (), ()))


@pytest.mark.parametrize(
    ("text", "reason"),
    [("{", "the list of bundles cannot be read"), ("[]", "no list of bundles"), ('{"a": 1}', "no list of bundles")],
)
def test_a_list_of_bundles_that_is_none_is_an_error(tmp_path: Path, text: str, reason: str) -> None:
    assert read_model_info(tmp_path / "model_info.json") == {}
    (tmp_path / "model_info.json").write_text(text)
    with pytest.raises(KneeBundleError, match=reason):
        read_model_info(tmp_path / "model_info.json")


def test_a_folder_that_cannot_be_written_to_is_an_error(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "ci").write_text("a file")
    with pytest.raises(KneeBundleError, match="this folder cannot be written to"):
        write_pull_request(repository / "bundles" / QUICK, tmp_path, requires_package=True)


def test_a_bundle_whose_images_or_configuration_are_not_known_has_no_unit_test(root: Path) -> None:
    assert isinstance(find_small_settings(root), dict)
    path = root / "configs/inference.json"
    content = json.loads(path.read_text())
    for dataset in ("images", "$@bundle_root + '/samples/elbow'"):
        path.write_text(json.dumps({**content, "dataset_dir": dataset}))
        with pytest.raises(KneeBundleError, match="dataset_dir names none of samples/"):
            format_unit_test(root)
    path.write_text("{")
    with pytest.raises(KneeBundleError, match="this file cannot be read"):
        format_unit_test(root)
