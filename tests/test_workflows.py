"""The workflows and forms of GitHub name what there is."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from kneebundle.cli.entry import COMMANDS
from tests.conftest import REPOSITORY

WORKFLOWS = sorted((REPOSITORY / ".github" / "workflows").glob("*.yml"))
# of the project itself, in a command line
OWN_FILE = re.compile(r"(?<![\w/.-])(?:\./)?((?:scripts|\.ci|\.github|tests)/[\w./-]+|constraints\.txt)")


@pytest.fixture(params=WORKFLOWS, ids=lambda path: path.stem)
def workflow(request: pytest.FixtureRequest) -> dict[Any, Any]:
    content = yaml.safe_load(request.param.read_text())
    assert isinstance(content, dict)
    return content


def steps(workflow: dict[Any, Any]) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job.get("steps", [])]


def uses(workflow: dict[Any, Any]) -> list[str]:
    return [part["uses"] for part in (*steps(workflow), *workflow["jobs"].values()) if "uses" in part]


def test_every_file_that_a_command_names_is_there_and_runs(workflow: dict[Any, Any]) -> None:
    commands = "\n".join(step["run"] for step in steps(workflow) if "run" in step)
    for name in OWN_FILE.findall(commands):
        assert (REPOSITORY / name).exists(), name
        if name.startswith("scripts/") and not re.search(rf"(python|source) {name}", commands):
            assert os.access(REPOSITORY / name, os.X_OK), name
    for name in re.findall(r"bin/kneebundle ([\w-]+)", commands):
        assert name in COMMANDS


def test_every_file_that_a_setting_names_is_there(workflow: dict[Any, Any]) -> None:
    for step in steps(workflow):
        if "cache-dependency-path" in step.get("with", {}):
            assert (REPOSITORY / step["with"]["cache-dependency-path"]).is_file()
    for name in uses(workflow):
        assert not name.startswith("./") or (REPOSITORY / name).is_file()


def test_jobs_end_and_may_do_no_more_than_read_but_for_what_they_are_for(workflow: dict[Any, Any]) -> None:
    assert workflow["permissions"] == {"contents": "read"}
    allowed = {"github": {"contents": "write"}, "pypi": {"id-token": "write"}}
    for name, job in workflow["jobs"].items():
        assert "timeout-minutes" in job or job["uses"].startswith("./"), name
        if name != "publish":
            assert job.get("permissions") == allowed.get(name)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_actions_of_others_are_pinned_to_a_commit_whose_version_is_said(path: Path) -> None:
    lines = [line.strip() for line in path.read_text().splitlines() if "uses: " in line and "uses: ./" not in line]
    assert [line for line in lines if not re.search(r"uses: [\w/-]+@[0-9a-f]{40} +# v\d+\.\d+\.\d+$", line)] == []


def test_the_tests_run_on_every_python_that_the_package_is_for() -> None:
    project = (REPOSITORY / "pyproject.toml").read_text()
    supported = re.findall(r'"Programming Language :: Python :: (3\.\d+)"', project)
    checks = yaml.safe_load((REPOSITORY / ".github/workflows/ci.yml").read_text())["jobs"]["checks"]
    assert checks["strategy"]["matrix"]["python"] == supported
    assert f'requires-python = ">={supported[0]}"' in project


def test_forms_ask_for_what_a_command_gives_and_warn_of_patients() -> None:
    folder = REPOSITORY / ".github" / "ISSUE_TEMPLATE"
    forms = {path.stem: yaml.safe_load(path.read_text()) for path in folder.glob("*.yml")}
    assert {"bug", "idea", "config"} <= set(forms)
    assert "kneebundle doctor" in str(forms["bug"]) and "doctor" in COMMANDS
    assert "No patient data" in str(forms["bug"]) and "synthesize" in COMMANDS
    for name in ("bug", "idea"):
        assert forms[name]["name"] and forms[name]["description"] and forms[name]["body"]
