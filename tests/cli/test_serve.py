"""``kneebundle serve``: its options, and its TOML file."""

from __future__ import annotations

import logging
import re
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from kneebundle.cli.serve import serve
from kneebundle.errors import KneeBundleError

CONFIG = """
pacs = "ORTHANC@10.0.0.5:4242"
allow = ["CT1", "DX 2"]
objects = ["sr", "sc"]
keep-films = true
largest = 100
"""


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The nodes that are made; none runs."""
    from kneebundle.dicom_node.node import DicomNode

    made: list[Any] = []
    monkeypatch.setattr(DicomNode, "run", lambda self, say_ready: made.append(self))
    monkeypatch.setattr("kneebundle.cli.serve._start_log", lambda: None)
    return made


def call(*arguments: str) -> Result:
    return CliRunner().invoke(serve, arguments)


def test_options_come_from_a_file_and_the_command_line_goes_before_it(nodes: list[Any], tmp_path: Path) -> None:
    (tmp_path / "serve.toml").write_text(CONFIG)
    answer = call(str(tmp_path / "queue"), "--config", str(tmp_path / "serve.toml"), "--largest", "50")
    assert answer.exit_code == 0, answer.output
    (node,) = nodes
    assert node.settings.pacs.ae_title == "ORTHANC"
    assert list(node.settings.allowed) == ["CT1", "DX 2"]
    assert node.settings.objects == ("sr", "sc")
    assert (node.settings.largest_mib, node.keep_films) == (50, True)


@pytest.mark.parametrize(
    ("content", "said"),
    [("pax = 1", "pax is none of the options"), ("pacs = ", "cannot be read"), ("port = 'many'", "'many' is not")],
)
def test_a_wrong_file_is_named(nodes: list[Any], tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "serve.toml").write_text(content)
    answer = call("q", "--config", str(tmp_path / "serve.toml"), "--pacs", "A@b:1", "--allow", "A")
    assert answer.exit_code == 2 and said in answer.output
    assert not nodes


def test_nobody_is_allowed_by_default_and_tls_needs_its_files(nodes: list[Any]) -> None:
    answer = call("q", "--pacs", "A@b:1")
    assert isinstance(answer.exception, KneeBundleError) and answer.exception.field == "allow"
    answer = call("q", "--pacs", "A@b:1", "--allow", "A", "--pacs-tls")
    assert answer.exit_code == 2 and "--tls-certificate" in answer.output
    assert "TLS needs all" in call("q", "--pacs", "A@b:1", "--allow", "A", "--tls-key", "k.pem").output
    assert not nodes


def test_dicomweb_is_a_way_in_and_out(nodes: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text("s3cret\n")
    monkeypatch.setenv("KNEEBUNDLE_DICOMWEB_PASSWORD", "pa55")
    web = ["--dicomweb", "https://pacs/dicom-web/"]
    for arguments in (
        web,
        [*web, "--dicomweb-user", "knee", "--modalities", "dx, rg", "--study-date", "20260101-", "--poll", "5"],
        [*web, "--poll", "0", "--allow", "CT1"],
        [*web, "--pacs", "A@b:1", "--dicomweb-token-file", str(tmp_path / "token")],
        [
            "--pacs",
            "A@b:1",
            "--stow-port",
            "0",
            "--stow-listen",
            "0.0.0.0",
            "--stow-token-file",
            str(tmp_path / "token"),
        ],
    ):
        answer = call(str(tmp_path / "queue"), *arguments)
        assert answer.exit_code == 0, answer.output
        assert "s3cret" not in answer.output and "pa55" not in answer.output
    first, second, third, fourth, fifth = (node.settings for node in nodes)
    assert first.pacs is first.source and first.source.url == "https://pacs/dicom-web"
    assert (first.search.modalities, first.search.days, first.search.pause_s) == (["CR", "DX"], 7, 60)
    assert (first.source.user, first.source.password, first.source.token) == (None, None, None)
    assert (second.source.user, second.source.password) == ("knee", "pa55")
    assert (second.search.modalities, second.search.study_date) == (["DX", "RG"], "20260101-")
    assert third.source is None and third.pacs.url == "https://pacs/dicom-web"
    assert fourth.pacs.ae_title == "A" and fourth.source.token == "s3cret"
    assert (fifth.stow.host, fifth.stow.token, fifth.source) == ("0.0.0.0", "s3cret", None)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--allow", "A"], "results can go nowhere"),
        (["--dicomweb", "pacs"], "http://HOST:PORT/PATH"),
        (["--dicomweb", "http://a:s3cret@pacs/"], "user or password in it"),
        (["--dicomweb", "http://pacs/", "--poll", "0"], "films can come from nowhere"),
        (["--dicomweb", "http://pacs/", "--dicomweb-user", "a"], "password for the DICOMweb server is missing"),
        (["--dicomweb", "http://pacs/", "--study-date", "2026"], "no range of dates"),
        (["--pacs", "A@b:1", "--stow-port", "1", "--stow-listen", "0.0.0.0"], "a token or TLS is needed"),
        (["--pacs", "A@b:1", "--stow-port", "1", "--stow-token-file", "/no/such"], "cannot be read"),
        (["--pacs", "A@b:1", "--stow-port", "1", "--stow-token-file", "/dev/null"], "no password or token"),
    ],
)
def test_what_does_not_fit_is_said(nodes: list[Any], arguments: list[str], said: str) -> None:
    answer = call("q", *arguments)
    assert answer.exit_code != 0 and not nodes
    assert said in f"{answer.output} {answer.exception}" and "s3cret" not in f"{answer.output} {answer.exception}"


def test_a_secret_that_goes_over_http_is_a_warning(nodes: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KNEEBUNDLE_DICOMWEB_TOKEN", "s3cret")
    assert "over http, where others may read it" in call("q", "--dicomweb", "http://pacs/").output
    assert "over http" not in call("q", "--dicomweb", "https://pacs/").output


def test_commands_and_settings_of_the_documentation_are_understood(
    nodes: list[Any], repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (repository / "docs" / "pacs.md").read_text()
    commands = re.findall(r"^kneebundle serve ((?:.+\\\n)?.+)$", text, flags=re.MULTILINE)
    settings = re.findall(r"^# serve.toml\n((?:[^`].*\n)+)", text, flags=re.MULTILINE)
    assert len(commands) == 7 and len(settings) == 2
    monkeypatch.setattr(Path, "is_file", lambda self: True)
    monkeypatch.setattr("kneebundle.cli.dicomweb_options._read_secret", lambda path, variable: path and "s3cret")
    for number, content in enumerate(settings):
        (tmp_path / f"{number}.toml").write_text(content)
        commands.append(f"q --config {tmp_path / f'{number}.toml'}")
    for command in commands:
        words = command.replace("\\\n", " ").replace("serve.toml", str(tmp_path / "0.toml")).split()
        answer = call(*words)
        assert answer.exit_code == 0, (command, answer.output)
    assert len(nodes) == 9
    known = {name for option in serve.params for name in [*option.opts, *option.secondary_opts]}
    assert set(re.findall(r"`(--[a-z-]+)", text)) <= known
    assert all(isinstance(option, click.Argument) or option.help for option in serve.params)


def test_both_kinds_of_networks_are_loaded_at_the_start_and_the_ways_in_are_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    loaded: list[str] = []
    monkeypatch.setattr(
        "kneebundle.pipelines.by_view.PipelinesByView.from_bundles", lambda _: SimpleNamespace(load=loaded.append)
    )
    nodes: list[Any] = []

    def run(node: Any, say_ready: Any) -> None:
        nodes.append(node)
        node.pipeline()
        say_ready(SimpleNamespace(port=11112, stow_address="http://127.0.0.1:1/studies"), "http://127.0.0.1:2/")
        say_ready(SimpleNamespace(port=None, stow_address=None), "http://127.0.0.1:2/")

    monkeypatch.setattr("kneebundle.dicom_node.node.DicomNode.run", run)
    logger = logging.getLogger("kneebundle.dicom_node")
    before, level = list(logger.handlers), logger.level
    try:
        with warnings.catch_warnings():
            answer = call(str(tmp_path / "queue"), "--dicomweb", "https://pacs/dicom-web", "--ae-title", "KNEE")
        assert (len(logger.handlers), logger.propagate) == (len(before) + 1, False)
    finally:
        logger.handlers[:], logger.propagate = before, True
        logger.setLevel(level)
    assert answer.exit_code == 0, answer.output
    assert loaded == ["frontal", "lateral"]
    first, second, last = answer.output.strip().splitlines()[-3:]
    assert first == (
        "KNEE receives films on port 11112; films may be posted to http://127.0.0.1:1/studies; films are looked for at "
        "the DICOMweb server; status at http://127.0.0.1:2/ (stop with Ctrl-C)"
    )
    assert second == "films are looked for at the DICOMweb server; status at http://127.0.0.1:2/ (stop with Ctrl-C)"
    assert last.startswith("stopped; what waits is in the queue")
