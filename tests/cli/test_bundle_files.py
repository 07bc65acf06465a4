"""The commands that list, pack and export bundles, and import-kneel: what they say, and what does not go together."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kneebundle import cli
from kneebundle.bundles import hash_file
from kneebundle.errors import KneeBundleError
from kneebundle.trust import check_trust
from tests.zoo.kneel_snapshots import make_network, write_snapshots

QUICK = "knee_parts_registration"
Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Run the command line: exit code, stdout, stderr."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))

    def run(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stopped:
            cli.main([str(a) for a in arguments])
        said = capsys.readouterr()
        return int(stopped.value.code or 0), said.out, said.err

    return run


def test_bundles_are_listed_with_the_hashes_of_their_weights(repository: Path, tmp_path: Path, call: Call) -> None:
    root = shutil.copytree(repository / "bundles" / QUICK, tmp_path / "in" / QUICK)
    code, out, _ = call("bundles", "--bundles", tmp_path / "in")
    assert code == 0 and out.startswith(f"{QUICK} ")
    assert f"models/model.pt  sha256 {hash_file(root / 'models/model.pt')}" in out
    shutil.rmtree(root / "models")
    assert "no weights: train it" in call("bundles", "--bundles", tmp_path / "in")[1]


def test_a_bundle_without_a_version_is_an_error(repository: Path, tmp_path: Path, call: Call) -> None:
    root = shutil.copytree(repository / "bundles" / QUICK, tmp_path / "in" / QUICK)
    (root / "configs/metadata.json").write_text('{"name": "a"}')
    code, _, err = call("bundles", "--bundles", tmp_path / "in")
    assert code == 2 and "no version can be read from the metadata" in err


def test_pack_says_what_it_wrote(repository: Path, tmp_path: Path, call: Call) -> None:
    code, out, _ = call("pack", repository / "bundles" / QUICK, "-o", tmp_path / "out")
    (packed,) = (tmp_path / "out").glob("*.zip")
    assert code == 0 and out.startswith(f"{packed}  sha256 {hash_file(packed)}  (")


def test_a_pull_request_is_listed_and_checked_where_that_is_asked_for(
    repository: Path, tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[Path] = []

    def check(request: Any, report: Callable[[str], None]) -> None:
        checked.append(request.folder)
        report("name: good")

    monkeypatch.setattr("kneebundle.zoo.zoo_checks.check_pull_request", check)
    asked = ("pack", repository / "bundles" / QUICK, "-o", tmp_path, "--pull-request", "--requires-package")
    code, out, _ = call(*asked, "--url", "https://example.org")
    folder = tmp_path / "models" / QUICK
    assert code == 0 and out.startswith(f"{folder}  (requires kneebundle)\n") and not checked
    assert f"  {tmp_path / 'ci/unit_tests'}/test_{QUICK}.py\n" in out and "  to upload: " in out
    _, out, _ = call(*asked, "--check")
    assert checked == [folder] and out.endswith("  name: good\n") and "to upload" not in out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["pack", QUICK, "--check"], "--check and --requires-package are for --pull-request"),
        (["pack", QUICK, "--requires-package"], "--check and --requires-package are for --pull-request"),
        (["export", "all", "--weights", "w.pt"], "--weights are those of one bundle"),
        (["export", QUICK, "knee_roi_localization", "--weights", "w.pt"], "--weights are those of one bundle"),
    ],
)
def test_what_does_not_go_together_is_said(tmp_path: Path, call: Call, arguments: list[str], says: str) -> None:
    code, _, err = call(*arguments, "-o", tmp_path / "out")
    assert code == 2 and says in err and not (tmp_path / "out").exists()


def test_import_kneel_says_what_it_made_and_that_it_may_not_be_sold(tmp_path: Path, call: Call) -> None:
    small = {"width": 8, "depth": 2, "num_landmarks": 16}
    networks = [make_network(seed, **small) for seed in range(2)]
    code, out, err = call("import-kneel", write_snapshots(tmp_path / "one", networks[:1]), "-o", tmp_path / "a")
    assert code == 0, err
    assert f"{tmp_path / 'a'}: 1 fold of the generation " in out and "not for any commercial use" in out
    assert (
        ": 2 folds of the generation "
        in call("import-kneel", write_snapshots(tmp_path / "two", networks), "-o", tmp_path / "b")[1]
    )
    check_trust(tmp_path)  # it was made here
    code, _, err = call("import-kneel", tmp_path / "one", "-o", tmp_path / "a")
    assert code == 2 and "--overwrite" in err
    with (tmp_path / "a/configs/inference.json").open("a") as file:
        file.write("\n")
    with pytest.raises(KneeBundleError):
        check_trust(tmp_path)
