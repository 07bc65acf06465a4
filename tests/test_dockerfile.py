"""What the Dockerfile refers to is there; no image is built here."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import threading
from fnmatch import fnmatch
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import click
import pytest

from kneebundle.cli.entry import cli
from kneebundle.cli.serve import serve
from kneebundle.dicom_node.web_settings import StowEndpoint

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@pytest.fixture(scope="module")
def text(repository: Path) -> str:
    return (repository / "Dockerfile").read_text()


@pytest.fixture(scope="module")
def instructions(text: str) -> list[tuple[str, str]]:
    """Name and arguments of each, continued lines joined."""
    joined = re.sub(r"\\\n\s*", " ", "\n".join(line for line in text.splitlines() if not line.startswith("#")))
    pairs = [line.split(None, 1) for line in joined.splitlines() if line.strip()]
    return [(name, rest) for name, rest in pairs]


@pytest.fixture(scope="module")
def project(repository: Path) -> dict:
    return dict(tomllib.loads((repository / "pyproject.toml").read_text())["project"])


def find(instructions: list[tuple[str, str]], name: str) -> list[str]:
    return [rest for found, rest in instructions if found == name]


def is_left_out(path: str, rules: str) -> bool:
    """As Docker reads .dockerignore: the last rule that fits the path, or a folder that it is in, counts."""
    parts = Path(path).parts
    names = ["/".join(parts[:end]) for end in range(1, len(parts) + 1)]
    left_out = False
    for rule in (line for line in rules.splitlines() if line and not line.startswith("#")):
        if any(fnmatch(name, rule.lstrip("!")) for name in names):
            left_out = not rule.startswith("!")
    return left_out


def option(name: str) -> click.Parameter:
    return next(found for found in serve.params if name in found.opts)


def test_what_is_copied_and_installed_is_there(
    instructions: list[tuple[str, str]], project: dict, repository: Path
) -> None:
    assert find(instructions, "COPY") == [". ."]
    build = tomllib.loads((repository / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    included = build["only-include"]
    for needed in ("pyproject.toml", "constraints.txt", project["readme"], "LICENSE", *included):
        assert (repository / needed).exists()
        assert not is_left_out(needed, (repository / ".dockerignore").read_text()), needed
    runs = " ".join(find(instructions, "RUN"))
    (extra,) = set(re.findall(r"\.whl\)\[(\w+)\]", runs))
    assert extra in project["optional-dependencies"]
    pinned = re.findall(r"^torch==([\d.]+)$", (repository / "constraints.txt").read_text(), flags=re.MULTILINE)
    assert len(pinned) == 1 and "s/^torch==//p" in runs
    for version in re.findall(r"python:(3\.\d+)-slim", " ".join(find(instructions, "FROM"))):
        assert f"Programming Language :: Python :: {version}" in project["classifiers"]


def test_it_runs_a_command_of_the_project_as_no_root(instructions: list[tuple[str, str]], project: dict) -> None:
    (entry,) = find(instructions, "ENTRYPOINT")
    (command,) = find(instructions, "CMD")
    assert json.loads(entry)[0] in project["scripts"]
    assert json.loads(command)[0] in cli.list_commands(click.Context(cli))
    (user,) = find(instructions, "USER")
    runs = " ".join(find(instructions, "RUN"))
    assert user != "root" and re.search(rf"useradd .*--uid \d+ {user}\b", runs)
    assert f"install -d --owner {user} /queue" in runs
    assert [name for name, _ in instructions].index("USER") > max(
        number for number, (name, _) in enumerate(instructions) if name == "RUN"
    )


def test_ports_are_those_of_serve(instructions: list[tuple[str, str]]) -> None:
    (ports,) = find(instructions, "EXPOSE")
    assert [int(port) for port in ports.split()] == [option("--port").default, StowEndpoint().port]
    (health,) = find(instructions, "HEALTHCHECK")
    assert f"http://127.0.0.1:{option('--status-port').default}/health" in health


def test_commands_of_its_head_are_understood(text: str) -> None:
    head = re.sub(r"\\\n#\s*", " ", "\n".join(line for line in text.splitlines() if line.startswith("#")))
    found = re.findall(r"kneebundle ((?:serve|predict) .*)$", head, flags=re.MULTILINE)
    assert len(found) == 3
    for line in found:
        name, *words = shlex.split(line)
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        known = {word for parameter in command.params for word in parameter.opts}
        assert {word for word in words if word.startswith("-")} <= known
    assert set(re.findall(r"(--(?:stow|pacs|dicomweb|status)[a-z-]*)", head)) <= {
        word for parameter in serve.params for word in parameter.opts
    }


class _Healthy(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/health" else 404)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_the_health_check_asks_a_node_and_nothing_else(instructions: list[tuple[str, str]], tmp_path: Path) -> None:
    (health,) = find(instructions, "HEALTHCHECK")
    program, *arguments = json.loads(health.partition("CMD")[2])
    assert program == "python"
    server = HTTPServer(("127.0.0.1", 0), _Healthy)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def check() -> int:
        changed = arguments[-1].replace("'/queue", f"'{tmp_path}").replace(":8090", f":{server.server_address[1]}")
        return subprocess.run([sys.executable, *arguments[:-1], changed], capture_output=True).returncode

    (tmp_path / ".kneebundle").mkdir()
    assert check() == 0
    server.shutdown()
    server.server_close()
    assert check() != 0
    (tmp_path / ".kneebundle").rmdir()
    assert check() == 0  # predict, doctor
