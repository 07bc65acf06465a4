"""``kneebundle serve``: its options, and its TOML file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from kneebundle.cli.serve import serve

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
    assert "Missing option '--allow'" in call("q", "--pacs", "A@b:1").output
    answer = call("q", "--pacs", "A@b:1", "--allow", "A", "--pacs-tls")
    assert answer.exit_code == 2 and "--tls-certificate" in answer.output
    assert "TLS needs all" in call("q", "--pacs", "A@b:1", "--allow", "A", "--tls-key", "k.pem").output
    assert not nodes


def test_commands_and_settings_of_the_documentation_are_understood(
    nodes: list[Any], repository: Path, tmp_path: Path
) -> None:
    text = (repository / "docs" / "pacs.md").read_text()
    commands = re.findall(r"^    kneebundle serve ((?:.+\\\n)?.+)$", text, flags=re.MULTILINE)
    settings = re.findall(r"^    # serve.toml\n((?:    .+\n)+)", text, flags=re.MULTILINE)
    assert len(commands) == 3 and len(settings) == 1
    (tmp_path / "serve.toml").write_text(re.sub("^    ", "", settings[0], flags=re.MULTILINE))
    for command in commands:
        words = command.replace("\\\n", " ").replace("serve.toml", str(tmp_path / "serve.toml")).split()
        answer = call(*words)
        assert answer.exit_code == 0, (command, answer.output)
    assert len(nodes) == 3
    known = {name for option in serve.params for name in [*option.opts, *option.secondary_opts]}
    assert set(re.findall(r"`(--[a-z-]+)", text)) <= known
    assert all(isinstance(option, click.Argument) or option.help for option in serve.params)
