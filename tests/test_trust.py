"""Bundles of others run no code before somebody has said that they may."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from kneebundle.bundles import find_bundles_folder
from kneebundle.cli.options import bundles_option
from kneebundle.errors import KneeBundleError
from kneebundle.trust import check_trust, hash_code, trust_bundles


@pytest.fixture(autouse=True)
def own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    return tmp_path / "settings"


@pytest.fixture
def bundles(tmp_path: Path) -> Path:
    """A folder with one bundle of somebody."""
    write(tmp_path / "theirs" / "knee_landmark_localization", "$print('run')")
    return tmp_path / "theirs"


def write(root: Path, expression: str) -> None:
    (root / "configs").mkdir(parents=True, exist_ok=True)
    (root / "configs/metadata.json").write_text('{"version": "1"}')
    (root / "configs/inference.json").write_text(json.dumps({"network_def": expression}))


def test_a_bundle_of_others_needs_trust_once(bundles: Path) -> None:
    with pytest.raises(KneeBundleError, match="configurations of knee_landmark_localization .* run as code") as caught:
        check_trust(bundles)
    assert caught.value.field == "trust"
    trust_bundles(bundles)
    check_trust(bundles)
    check_trust(bundles / "knee_landmark_localization")
    shutil.move(bundles, bundles.with_name("elsewhere"))
    check_trust(bundles.with_name("elsewhere"))


@pytest.mark.parametrize("name", ["configs/inference.json", "configs/more.yaml", "configs/sub/x.json", "net.py"])
def test_changed_code_asks_again(bundles: Path, name: str) -> None:
    trust_bundles(bundles)
    path = bundles / "knee_landmark_localization" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text('{"network_def": "$print(1)"}')
    with pytest.raises(KneeBundleError):
        check_trust(bundles)


def test_other_weights_do_not_ask_again(bundles: Path) -> None:
    trust_bundles(bundles)
    (bundles / "knee_landmark_localization/models").mkdir()
    (bundles / "knee_landmark_localization/models/model.pt").write_bytes(b"weights")
    check_trust(bundles)


def test_a_second_bundle_in_the_folder_asks(bundles: Path) -> None:
    trust_bundles(bundles)
    write(bundles / "more", "$print(2)")
    with pytest.raises(KneeBundleError, match="configurations of more "):
        check_trust(bundles)


def test_installed_bundles_and_copies_of_them_need_none(tmp_path: Path) -> None:
    installed = find_bundles_folder()
    check_trust(installed)
    shutil.copytree(installed / "knee_roi_localization/configs", tmp_path / "mine/roi/configs")
    check_trust(tmp_path / "mine")


def test_what_is_remembered_is_a_list_to_read(bundles: Path, own_settings: Path) -> None:
    trust_bundles(bundles)
    trust_bundles(bundles)
    root = bundles / "knee_landmark_localization"
    assert (own_settings / "kneebundle/trusted").read_text() == f"{hash_code(root)}  {root}\n"


def test_a_folder_for_settings_that_cannot_be_written_is_one_line(bundles: Path, own_settings: Path) -> None:
    own_settings.write_text("a file")
    with pytest.raises(KneeBundleError, match="cannot write down which bundles are trusted"):
        trust_bundles(bundles)


def test_names_and_contents_do_not_run_into_each_other(tmp_path: Path) -> None:
    for root, name, content in (("a", "x.json", "yz"), ("b", "x.jsony", "z")):
        (tmp_path / root / "configs").mkdir(parents=True)
        (tmp_path / root / "configs" / name).write_text(content)
    assert hash_code(tmp_path / "a") != hash_code(tmp_path / "b")


@click.command()
@bundles_option
def command(bundles: Path | None) -> None:
    click.echo(str(bundles))


def test_the_command_line_asks_for_trust_and_takes_it_in_any_order(bundles: Path) -> None:
    def call(*arguments: str) -> object:
        return CliRunner().invoke(command, arguments).exception

    assert call() is None
    assert isinstance(call("--bundles", str(bundles)), KneeBundleError)
    assert call("--bundles", str(bundles), "--trust") is None
    assert call("--bundles", str(bundles)) is None
    write(bundles / "knee_landmark_localization", "$print('changed')")
    assert isinstance(call("--bundles", str(bundles)), KneeBundleError)
    assert call("--trust", "--bundles", str(bundles)) is None


def test_weights_are_never_unpickled(repository: Path) -> None:
    """A pickle runs code when it is read."""
    sources = [p for folder in ("kneebundle", "scripts") for p in (repository / folder).rglob("*") if p.is_file()]
    texts = {p: p.read_text() for p in sources if p.suffix in (".py", "") and "_bundles" not in p.parts}
    calls = [(p, part[:200]) for p, text in texts.items() for part in text.split("torch.load(")[1:]]
    assert calls and [p for p, call in calls if "weights_only=True" not in call] == []
    unpickling = ("pickle.load", "joblib.load", "allow_pickle=True", "weights_only=False")
    # Ray's processes send each other work, no file
    assert {p.name for p, text in texts.items() if any(word in text for word in unpickling)} <= {"ray_engine.py"}
